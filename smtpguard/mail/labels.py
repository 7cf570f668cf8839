"""Words that mail programs write around other people's text, by language. Data only: a language is one more entry.

Sources: what the programs themselves print (Gmail, Outlook, Thunderbird, Apple Mail, Yahoo, mutt, KMail, Notes,
webmail), in the language of the person who forwards. Several spellings of one word are parted by "|"; case is ignored.
Invisible characters (the joiners of Persian) are left out, as they are of what is read.

Keys of a language:
  from, date, to, cc, bcc, subject, reply_to   labels of a header block, without the colon
  forwarded   banners that only a forward has (dashes around them are not written here)
  original    dividers that stand above replies and forwards alike
  by          beginnings of a banner that goes on with who forwards: "Forwarded by Anna on Monday"
  of          beginnings of a banner that goes on with the author: "Forwarded message from Anna <anna@example.org>"
  end         lines below a forwarded text
  fwd, re     subject prefixes without the colon
  opens       first words of an attribution line ("On Monday Anna wrote:")
  wrote       its verb
  device      beginnings of the line a telephone adds
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from smtpguard.mail.further_labels import FURTHER_LANGUAGES

LANGUAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "from": "from",
        "date": "date|sent|sent at|sent on|date sent|sent date",
        "to": "to",
        "cc": "cc|copy to|copy",
        "bcc": "bcc",
        "subject": "subject",
        "reply_to": "reply-to|reply to",
        "forwarded": "forwarded message|begin forwarded message|start of forwarded message|forwarded mail|"
        "forwarded email|begin forwarded text|forwarded text|start forwarded message",
        "original": "original message|original mail|original email|reply message",
        "by": "forwarded by",
        "of": "forwarded message from|forwarded mail from|begin forwarded message from|start of forwarded message from",
        "end": "end forwarded message|end forwarded text|end of forwarded message|end forwarded mail|"
        "end of original message",
        "fwd": "fwd|fw|forward|forwarded",
        "re": "re",
        "opens": "on|in|at|quoting",
        "wrote": "wrote|writes|said",
        "device": "sent from my|sent from outlook|get outlook for|sent from mail for|sent from yahoo mail|"
        "sent with proton mail|sent from proton mail",
    },
    "de": {
        "from": "von|absender",
        "date": "datum|gesendet|gesendet am|gesendet um",
        "to": "an|empfänger",
        "cc": "cc|kopie|kopie (cc)|cc (kopie)",
        "bcc": "bcc|blindkopie|blindkopie (bcc)",
        "subject": "betreff|thema",
        "reply_to": "antwort an|antworten an",
        "forwarded": "weitergeleitete nachricht|anfang der weitergeleiteten nachricht|weitergeleitete e-mail|"
        "weitergeleitete mail|anfang der weitergeleiteten e-mail|beginn der weitergeleiteten nachricht",
        "original": "ursprüngliche nachricht|originalnachricht|original-nachricht|urspr. nachricht|original nachricht|"
        "ursprüngliche mail|ursprüngliche e-mail|originalmail|original-mail|original-e-mail",
        "by": "weitergeleitet von",
        "of": "weitergeleitete nachricht von|weitergeleitete e-mail von|weitergeleitete mail von",
        "end": "ende der weitergeleiteten nachricht|ende weitergeleitete nachricht|ende der weitergeleiteten e-mail",
        "fwd": "wg|weitergeleitet",
        "re": "aw|antw|antwort",
        "opens": "am|zitat von|zitiere",
        "wrote": "schrieb|schrieben|schreibt|geschrieben",
        "device": "von meinem iphone|von meinem ipad|von meinem android|von meinem/meiner|gesendet von|gesendet mit|"
        "diese nachricht wurde von meinem|von meinem samsung|holen sie sich outlook für|outlook für",
    },
    "fr": {
        "from": "de|expéditeur",
        "date": "date|envoyé|envoyé le|envoyé à|date d’envoi|date d'envoi|message du",
        "to": "à|pour|a|destinataire",
        "cc": "cc|copie à|copie",
        "subject": "objet|sujet",
        "reply_to": "répondre à",
        "forwarded": "message transféré|début du message réexpédié|début du message transféré|message transmis|"
        "courriel transféré|mail transféré|message réexpédié|e-mail transféré",
        "original": "message d'origine|message original|message initial|courriel original|courriel d'origine|"
        "message d’origine|e-mail d'origine|mail original",
        "by": "transféré par|réexpédié par",
        "of": "message transféré de",
        "fwd": "tr|tf|trans",
        "re": "ré",
        "opens": "le",
        "wrote": "a écrit|écrivait",
        "device": "envoyé de mon|envoyé depuis mon",
        "bcc": "cci|copie cachée à",
    },
    "es": {
        "from": "de|remitente|desde",
        "date": "fecha|enviado|enviado el|enviado a las|fecha de envío|fecha/hora",
        "to": "para|a|destinatario",
        "cc": "cc|copia",
        "bcc": "cco",
        "subject": "asunto",
        "reply_to": "responder a",
        "forwarded": "mensaje reenviado|inicio del mensaje reenviado|mensaje transferido|correo reenviado|"
        "mensaje remitido|comienzo del mensaje reenviado",
        "original": "mensaje original|correo original",
        "by": "reenviado por",
        "of": "mensaje reenviado de",
        "fwd": "rv|reenv",
        "re": "rta",
        "opens": "el",
        "wrote": "escribió|escribio",
        "device": "enviado desde mi|enviado desde",
    },
    "it": {
        "from": "da|mittente",
        "date": "data|inviato|inviato il|spedito|data di invio",
        "to": "a|destinatario",
        "cc": "cc|copia",
        "subject": "oggetto",
        "reply_to": "rispondi a",
        "forwarded": "messaggio inoltrato|inizio messaggio inoltrato|email inoltrata|inizio del messaggio inoltrato|"
        "mail inoltrata",
        "original": "messaggio originale|mail originale|email originale",
        "by": "inoltrato da",
        "of": "messaggio inoltrato da",
        "fwd": "i|inoltro",
        "re": "r|rif",
        "opens": "il|il giorno",
        "wrote": "ha scritto",
        "device": "inviato da",
        "bcc": "ccn",
    },
    "pt": {
        "from": "de|remetente",
        "date": "data|enviado|enviada|enviado em|enviada em",
        "to": "para|destinatário",
        "cc": "cc|com cópia|cópia",
        "bcc": "cco|bcc",
        "subject": "assunto",
        "reply_to": "responder a|responder para",
        "forwarded": "mensagem encaminhada|mensagem reencaminhada|início da mensagem reencaminhada|"
        "início da mensagem encaminhada|mensagem enviada|mensagem transmitida|e-mail encaminhado",
        "original": "mensagem original",
        "by": "encaminhado por|reencaminhado por",
        "fwd": "enc|enc.",
        "re": "res",
        "opens": "em|no dia",
        "wrote": "escreveu",
        "device": "enviado do meu",
    },
    "nl": {
        "from": "van|afzender",
        "date": "datum|verzonden|verzonden op|verstuurd",
        "to": "aan|ontvanger|ontvangers",
        "cc": "cc|kopie",
        "bcc": "bcc",
        "subject": "onderwerp",
        "reply_to": "antwoord aan",
        "forwarded": "doorgestuurd bericht|begin doorgestuurd bericht|doorgestuurde bericht|doorgestuurde e-mail|"
        "begin van doorgestuurd bericht",
        "original": "oorspronkelijk bericht|origineel bericht|oorspronkelijke bericht|orgineel bericht|"
        "oorspronkelijke e-mail",
        "by": "doorgestuurd door",
        "fwd": "doorst|doorgest",
        "re": "antw",
        "opens": "op",
        "wrote": "schreef|het volgende geschreven",
        "device": "verstuurd vanaf mijn|verzonden vanaf mijn",
    },
    "da": {
        "from": "fra|afsender",
        "date": "dato|sendt",
        "to": "til|modtager",
        "cc": "cc|kopi",
        "bcc": "bcc",
        "subject": "emne",
        "reply_to": "svar til",
        "forwarded": "videresendt besked|videresendt meddelelse|start på videresendt besked|videresendt mail|"
        "start på videresendt meddelelse",
        "original": "oprindelig meddelelse|original besked|oprindelig besked|original meddelelse",
        "by": "videresendt af",
        "fwd": "vs|videresendt",
        "re": "sv",
        "opens": "den",
        "wrote": "skrev",
        "device": "sendt fra min",
    },
    "no": {
        "from": "fra|avsender|frå",
        "date": "dato|sendt",
        "to": "til|mottaker",
        "cc": "kopi|cc|kopi til",
        "subject": "emne",
        "reply_to": "svar til",
        "forwarded": "videresendt melding|videresendt e-post|start på videresendt melding|"
        "begynnelse på videresendt melding|vidaresend melding|begynnelse på videresendt e-post",
        "original": "opprinnelig melding|original melding|opprinnelig e-post|opphavleg melding",
        "by": "videresendt av",
        "fwd": "vs|videresend",
        "re": "sv",
        "opens": "den",
        "wrote": "skrev",
        "device": "sendt fra min",
    },
    "sv": {
        "from": "från|avsändare",
        "date": "datum|skickat|skickades",
        "to": "till|mottagare",
        "cc": "kopia|cc|kopia till",
        "subject": "ämne",
        "reply_to": "svara till",
        "forwarded": "vidarebefordrat meddelande|vidarebefordrat brev|vidarebefordrat mejl|"
        "börja vidarebefordrat meddelande|påbörjat vidarebefordrat meddelande|vidarebefordrad e-post|"
        "start på vidarebefordrat meddelande",
        "original": "ursprungligt meddelande|originalmeddelande|ursprungsmeddelande",
        "by": "vidarebefordrat av",
        "fwd": "vb|vidarebefordrat",
        "re": "sv",
        "opens": "den",
        "wrote": "skrev",
        "device": "skickat från min",
    },
    "fi": {
        "from": "lähettäjä|keneltä",
        "date": "päivämäärä|päiväys|lähetetty|pvm",
        "to": "vastaanottaja|kenelle|vastaanottajat",
        "cc": "kopio|cc|kopio (cc)",
        "subject": "aihe|otsikko",
        "reply_to": "vastausosoite|vastaa",
        "forwarded": "edelleenlähetetty viesti|välitetty viesti|välitetty viesti alkaa|edelleen välitetty viesti|"
        "välitetty viesti / fwd.msg|lähetetty edelleen",
        "original": "alkuperäinen viesti",
        "fwd": "vl",
        "re": "vs",
        "opens": "klo",
        "wrote": "kirjoitti",
        "device": "lähetetty laitteesta",
    },
    "pl": {
        "from": "od|nadawca",
        "date": "data|wysłano|wysłane|wysłany|data wysłania|wysłana",
        "to": "do|adresat|odbiorca|odbiorcy",
        "cc": "dw|cc|do wiadomości|kopia",
        "subject": "temat",
        "reply_to": "odpowiedź do|odpowiedz do",
        "forwarded": "przekazana wiadomość|początek przekazywanej wiadomości|treść przekazanej wiadomości|"
        "wiadomość przekazana dalej|przekazywana wiadomość|wiadomość przekazana|wiadomość przesłana dalej|"
        "przesłana wiadomość|początek przekazanej wiadomości",
        "original": "oryginalna wiadomość|wiadomość oryginalna|oryginalny e-mail",
        "fwd": "pd",
        "re": "odp",
        "opens": "w dniu|dnia",
        "wrote": "napisał|napisała|napisał(a)|pisze|napisano",
        "device": "wysłane z",
        "bcc": "udw",
    },
    "cs": {
        "from": "od|odesílatel",
        "date": "datum|odesláno|odeslané|posláno",
        "to": "komu|pro|adresát|příjemce",
        "cc": "kopie|cc",
        "subject": "předmět",
        "reply_to": "odpovědět komu",
        "forwarded": "přeposlaná zpráva|začátek přeposílané zprávy|přeposlaný e-mail|předávaná zpráva|"
        "přeposlaná zpráva --- forwarded message|začátek přeposlané zprávy",
        "original": "původní zpráva|původní e-mail",
        "fwd": "př",
        "re": "odp",
        "opens": "dne",
        "wrote": "napsal|napsala|napsal(a)",
        "device": "odesláno z",
        "bcc": "skrytá kopie",
    },
    "sk": {
        "from": "od|odosielateľ",
        "date": "dátum|odoslané|poslané",
        "to": "komu|pre|príjemca|adresát",
        "cc": "kópia|cc|kópie",
        "subject": "predmet",
        "reply_to": "odpovedať komu|odpoveď komu",
        "forwarded": "preposlaná správa|začiatok preposlanej správy|odovzdaná správa|preposlaný e-mail|"
        "odoslaná správa|preposlaná správa --- forwarded message|posunutá správa",
        "original": "pôvodná správa|pôvodný e-mail",
        "fwd": "pp",
        "re": "odp",
        "opens": "dňa",
        "wrote": "napísal|napísala|napísal(a)",
        "device": "odoslané z",
    },
    "hu": {
        "from": "feladó|küldő",
        "date": "dátum|elküldve|küldve|küldés ideje|küldés dátuma",
        "to": "címzett|címzettek|címzettje",
        "cc": "másolat|másolatot kap|cc|másolatban",
        "subject": "tárgy",
        "reply_to": "válaszcím",
        "forwarded": "továbbított üzenet|továbbított levél|továbbított levél kezdete|továbbított üzenet kezdete",
        "original": "eredeti üzenet|eredeti levél",
        "fwd": "tov|továbbítás",
        "re": "vá",
        "wrote": "írta|ezt írta",
        "device": "az iphone-omról",
        "bcc": "titkos másolat|rejtett másolat",
    },
    "ro": {
        "from": "de la|din partea|expeditor|de|expeditorul",
        "date": "data|trimis|dată|trimis la|în data de|trimis în",
        "to": "către|catre|la|destinatar|destinatarul|pentru",
        "cc": "cc|copie|copie (cc)",
        "bcc": "bcc",
        "subject": "subiect|subiectul",
        "reply_to": "răspundeți la",
        "forwarded": "mesaj redirecționat|începutul mesajului redirecționat|mesaj transmis|mesaj redirectat|"
        "mesaj redirecţionat|începe mesajul redirecționat|mesaj retrimis",
        "original": "mesaj original|mesajul original|mesajul inițial|mesaj inițial",
        "fwd": "redir|redir.|red",
        "opens": "pe|în data de",
        "wrote": "a scris",
        "device": "trimis de pe",
    },
    "hr": {
        "from": "od|šalje|pošiljatelj",
        "date": "datum|poslano",
        "to": "prima|za|kome|primatelj",
        "cc": "kopija|cc",
        "subject": "predmet|naslov",
        "reply_to": "odgovori na",
        "forwarded": "proslijeđena poruka|započni proslijeđenu poruku|prosljeđena poruka|početak proslijeđene poruke|"
        "prosljeđena e-pošta",
        "original": "izvorna poruka|originalna poruka",
        "fwd": "pros",
        "re": "odg",
        "opens": "dana",
        "wrote": "je napisao|je napisala|napisao je|napisala je|je napisao/la",
        "device": "poslano s",
    },
    "tr": {
        "from": "gönderen|kimden|gönderici",
        "date": "tarih|gönderildi|gönderme tarihi|gönderilme tarihi|gönderilen|gönderme zamanı",
        "to": "alıcı|kime",
        "cc": "bilgi|cc|kopya|bilgi (cc)",
        "subject": "konu",
        "reply_to": "yanıt adresi",
        "forwarded": "yönlendirilen ileti|iletilen ileti|i̇letilen ileti|iletilmiş mesaj|"
        "başlangıç yönlendirilen ileti|i̇letilmiş mesaj|iletilen e-posta|yönlendirilen mesaj|iletilen mesaj|"
        "i̇letilen mesaj|i̇letilen e-posta|iletilmiş ileti|yönlendirilmiş mesaj|iletilmiş e-posta|ileti başlangıcı|"
        "başlangıç iletilen mesaj|iletilen ileti başlangıcı",
        "original": "özgün ileti|orijinal mesaj|orijinal ileti|özgün mesaj",
        "fwd": "ilt|i̇lt",
        "re": "ynt",
        "wrote": "şunu yazdı|yazdı",
        "device": "iphone'umdan gönderildi",
        "bcc": "gizli",
    },
    "ru": {
        "from": "от|от кого|отправитель",
        "date": "дата|отправлено|отправлен|отправлено в|дата отправки",
        "to": "кому|получатель",
        "cc": "копия|cc|копия (cc)",
        "subject": "тема",
        "reply_to": "кому отвечать|ответить",
        "forwarded": "пересылаемое сообщение|перенаправленное сообщение|начало переадресованного сообщения|"
        "пересланное сообщение|переадресованное сообщение|начало пересылаемого сообщения|переадресация|"
        "начало пересланного сообщения|пересланное письмо|перенаправленное письмо",
        "original": "исходное сообщение|оригинальное сообщение|исходное письмо",
        "by": "переслано",
        "fwd": "пересл|пер",
        "re": "ответ|на",
        "wrote": "написал|написал(а)|написала|пишет|писал",
        "device": "отправлено с",
        "bcc": "скрытая копия|ск",
    },
    "uk": {
        "from": "від|від кого|відправник",
        "date": "дата|надіслано|відправлено",
        "to": "кому|до|одержувач|отримувач",
        "cc": "копія|cc",
        "subject": "тема|предмет",
        "reply_to": "кому відповідати",
        "forwarded": "переслане повідомлення|початок листа, що пересилається|початок переадресованого повідомлення|"
        "переадресоване повідомлення|пересланий лист|перенаправлене повідомлення|початок пересланого повідомлення|"
        "початок повідомлення, що пересилається|перенаправлений лист",
        "original": "оригінальне повідомлення|вихідне повідомлення|початкове повідомлення|початковий лист|"
        "оригінал повідомлення",
        "fwd": "перес",
        "re": "відп",
        "wrote": "пише|написав|написав(-ла)|написала",
        "device": "надіслано з",
    },
    **FURTHER_LANGUAGES,
}
