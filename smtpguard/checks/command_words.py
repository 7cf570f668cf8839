"""Words with which members ask a list server for something, by language. Data only: a language is one more entry.

Several phrases of one meaning are parted by "|"; case is ignored. English is first, since list servers speak it.

Keys of a language:
  join, leave     words that mean a list and nothing else, whatever courtesy stands around them
  come, go        words that mean it only where they stand alone, or with the list's name
  help            the same for help
  courtesy        what may stand around a command without making a sentence of it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COMMANDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "join": "subscribe|resubscribe|subscribe me",
        "leave": "unsubscribe|unsub|signoff|unsubscribe me|remove me|take me off",
        "come": "join|sign me up|sign up",
        "go": "leave|sign off|opt out|remove",
        "help": "help",
        "courtesy": "please|me|my|address|email|mail|e|from|to|this|the|your|list|mailing|mailinglist|lists|thanks|"
        "thank|"
        "you|hello|hi|dear|and|of|set|end|quit|regards|kind|best",
    },
    "de": {
        "join": "abonnieren|subskribieren",
        "leave": "austragen|abbestellen|abonnement kündigen|abo kündigen|aus der liste löschen|"
        "aus dem verteiler nehmen|"
        "aus dem verteiler streichen|aus der liste streichen|aus der liste nehmen",
        "come": "anmelden|eintragen|aufnehmen",
        "go": "abmelden|abmeldung|verlassen|austreten|löschen",
        "help": "hilfe",
        "courtesy": "bitte|mich|meine|adresse|von|aus|dieser|der|die|diese|dem|den|liste|mailingliste|verteiler|"
        "newsletter|"
        "danke|vielen|dank|hallo|und|grüße|gruß|viele|liebe|in|auf|für",
    },
    "es": {
        "join": "suscribir|suscribirme|suscribirse|subscribir|suscríbanme",
        "leave": "desuscribir|desuscribirme|darme de baja|dar de baja|dadme de baja|denme de baja|"
        "cancelar suscripción|"
        "cancelar la suscripción",
        "come": "alta|apuntarme",
        "go": "baja|salir",
        "help": "ayuda",
        "courtesy": "por|favor|de|la|esta|lista|correo|a|me|mi|dirección|gracias|muchas|hola|saludos|quiero",
    },
    "fi": {
        "join": "tilaa lista|liitä minut listalle",
        "leave": "peruuta tilaus|poista minut listalta|peru tilaus",
        "come": "tilaa|liity",
        "go": "poistu|peruuta|eroa",
        "help": "apua|ohje",
        "courtesy": "kiitos|hei|ole|hyvä|listalta|listalle|lista|minut|tämä|tältä|postituslista|postituslistalta",
    },
    "fr": {
        "join": "m'abonner|m'inscrire|abonnez-moi|inscrivez-moi",
        "leave": "désabonner|me désabonner|désabonnement|désabonnez-moi|désinscrire|me désinscrire|désinscription|"
        "désinscrivez-moi|désinscrivez moi|désabonnez moi",
        "come": "inscription|abonnement|s'inscrire|s'abonner",
        "go": "quitter|résilier",
        "help": "aide",
        "courtesy": "s'il|vous|te|plaît|plait|svp|de|la|cette|liste|diffusion|à|merci|bonjour|mon|adresse|moi|me|"
        "d'avance|"
        "cordialement|s|il|d|avance",
    },
    "it": {
        "join": "iscrivimi|iscrivetemi|iscrivermi",
        "leave": "cancellami|cancellatemi|disiscrivimi|disiscrivetemi|disiscrivermi|disiscrizione|"
        "cancellare iscrizione|"
        "cancellare l'iscrizione|annullare l'iscrizione|annulla iscrizione",
        "come": "iscrizione|iscriviti",
        "go": "cancellazione|disiscrivere|cancella|lascia",
        "help": "aiuto",
        "courtesy": "per|favore|dalla|da|questa|lista|alla|mi|grazie|ciao|salve|mailing|list|prego|cortesemente|"
        "indirizzo|il|"
        "mio|saluti",
    },
    "nl": {
        "join": "abonneren|abonneer|schrijf me in",
        "leave": "uitschrijven|afmelden van de lijst|schrijf me uit|schrijf mij uit|abonnement opzeggen|"
        "haal me van de lijst",
        "come": "aanmelden|inschrijven",
        "go": "afmelden|verlaten|opzeggen",
        "help": "help|hulp",
        "courtesy": "graag|alstublieft|alsjeblieft|a.u.b|aub|svp|mij|me|van|uit|deze|de|lijst|mailinglijst|voor|"
        "bedankt|dank|"
        "hallo|mijn|adres|groet|groeten",
    },
    "pl": {
        "join": "subskrybuj|zapisz mnie|proszę o zapisanie",
        "leave": "wypisz|wypisz mnie|wypisać|wypisanie|proszę mnie wypisać|proszę o wypisanie|anuluj subskrypcję|"
        "odsubskrybuj|usuń mnie z listy",
        "come": "zapisz|dołącz",
        "go": "rezygnuję|opuść",
        "help": "pomoc",
        "courtesy": "proszę|mnie|z|tej|listy|na|listę|lista|o|się|dziękuję|dzięki|witam|cześć|pozdrawiam|mój|adres",
    },
    "pt": {
        "join": "inscrever-me|subscrever|assinar a lista|inscreva-me",
        "leave": "descadastrar|descadastrar-me|desinscrever|desinscrever-me|cancelar inscrição|cancelar a inscrição|"
        "cancelar subscrição|cancelar assinatura|remover-me|remova-me|me remova|me descadastre",
        "come": "inscrever|inscrição|assinar",
        "go": "sair|remover",
        "help": "ajuda",
        "courtesy": "por|favor|da|desta|de|lista|na|a|me|meu|endereço|obrigado|obrigada|olá|e-mail|quero",
    },
    "sv": {
        "join": "prenumerera",
        "leave": "avprenumerera|avregistrera|avregistrera mig|ta bort mig|avsluta prenumeration|"
        "avsluta prenumerationen|"
        "säg upp prenumerationen",
        "come": "anmäl|anmäl mig|gå med",
        "go": "avanmäl|avanmäl mig|lämna|gå ur",
        "help": "hjälp",
        "courtesy": "snälla|tack|mig|från|denna|den|här|listan|lista|e-postlistan|på|till|hej|min|adress|vänligen|på",
    },
    "da": {
        "join": "abonner|tilmeld mig",
        "leave": "afmeld mig|framelding|frameld mig|opsig abonnement",
        "come": "tilmeld",
        "go": "afmeld|frameld|forlad",
        "help": "hjælp",
        "courtesy": "venligst|tak|mig|fra|denne|den|her|listen|liste|mailingliste|til|hej|min|adresse",
    },
    "no": {
        "join": "abonner|meld meg på",
        "leave": "avmeld meg|meld meg av|stryk meg fra listen|stopp abonnement",
        "come": "påmelding",
        "go": "avmeld|avmelding",
        "help": "hjelp",
        "courtesy": "vennligst|takk|meg|fra|denne|den|her|listen|lista|liste|til|hei|min|adresse",
    },
}
