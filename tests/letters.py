"""A private letter in each language, made up: what people of an association write to one another."""

from __future__ import annotations

LETTERS = {
    "en": (
        "I was at the old boat house yesterday and the roof is worse than we thought in the summer. Could you ask your "
        "sister whether her friend still has the long ladder that he used for the church? We should not tell the "
        "others before we know what it will cost, because last time that went badly wrong"
    ),
    "de": (
        "Gestern war ich noch einmal beim Bootshaus und das Dach ist viel schlimmer als wir im Sommer gedacht haben. "
        "Kannst du deine Schwester fragen, ob ihr Freund noch die lange Leiter hat, mit der er an der Kirche war. Wir "
        "sollten den anderen erst davon erzählen, wenn wir wissen, was die Reparatur des Daches wirklich kostet"
    ),
    "fr": (
        "Hier je suis retournée au hangar à bateaux et le toit est dans un état bien pire que nous le pensions cet "
        "été. Est-ce que tu peux demander à ta sœur si son ami a encore la grande échelle avec laquelle il travaillait "
        "à l'église. Il ne faut pas en parler aux autres avant de savoir combien cela va nous coûter pour l'hiver"
    ),
    "es": (
        "Ayer estuve otra vez en la caseta de los barcos y el tejado está mucho peor de lo que pensábamos en verano. "
        "Puedes preguntarle a tu hermana si su amigo todavía tiene la escalera larga que usó para la iglesia. No "
        "deberíamos contárselo a los demás antes de saber cuánto nos va a costar el arreglo"
    ),
    "it": (
        "Ieri sono tornato alla rimessa delle barche e il tetto è molto più rovinato di quanto pensavamo in estate. "
        "Puoi chiedere a tua sorella se il suo amico ha ancora la scala lunga che usava per la chiesa del paese. Non "
        "dobbiamo dirlo agli altri prima di sapere quanto ci costerà la riparazione di tutto il tetto"
    ),
    "nl": (
        "Gisteren was ik nog eens bij het botenhuis en het dak is veel slechter dan we in de zomer dachten. Kun je aan "
        "je zus vragen of haar vriend de lange ladder nog heeft waarmee hij aan de kerk heeft gewerkt. We moeten het "
        "nog niet aan de anderen vertellen voordat we weten wat het herstel ons gaat kosten"
    ),
    "pl": (
        "Wczoraj byłem jeszcze raz w hangarze na łodzie i dach jest w dużo gorszym stanie, niż myśleliśmy latem. Czy "
        "możesz zapytać swoją siostrę, czy jej kolega ma jeszcze tę długą drabinę, której używał przy kościele. Nie "
        "powinniśmy mówić o tym innym, zanim będziemy wiedzieć, ile to wszystko będzie nas kosztowało"
    ),
    "pt": (
        "Ontem voltei ao barracão dos barcos e o telhado está muito pior do que nós pensávamos no verão passado. Podes "
        "perguntar à tua irmã se o amigo dela ainda tem a escada comprida que usou na obra da igreja. Não devíamos "
        "contar aos outros antes de sabermos quanto é que o conserto nos vai custar"
    ),
    "sv": (
        "I går var jag vid båthuset en gång till och taket är mycket sämre än vi trodde under sommaren. Kan du fråga "
        "din syster om hennes vän fortfarande har den långa stegen som han använde vid kyrkan i byn. Vi borde inte "
        "berätta det för de andra innan vi vet vad lagningen av taket kommer att kosta oss"
    ),
    "da": (
        "I går var jeg ved bådehuset en gang til, og taget er meget dårligere, end vi troede i løbet af sommeren. Kan "
        "du spørge din søster, om hendes ven stadig har den lange stige, som han brugte ved kirken henne i byen. Vi "
        "skal ikke fortælle det til de andre, før vi ved, hvad det kommer til at koste os"
    ),
    "nb": (
        "I går dro jeg til naustet enda en gang, og taket er mye verre enn det vi tenkte da vi så det i sommer. Kan du "
        "høre med søsteren din om kameraten hennes ennå har den lange stigen som han lånte bort til kirka. Vi burde "
        "ikke si noe til resten av styret før vi har fått vite hva reparasjonen vil komme på"
    ),
    "fi": (
        "Kävin eilen vielä kerran venevajalla ja katto on nyt paljon huonommassa kunnossa kuin me kesällä luulimme. "
        "Voisitko sinä kysyä siskoltasi, onko hänen ystävällään vielä ne pitkät tikkaat, joita hän käytti kirkon "
        "luona. Meidän ei pitäisi kertoa tästä muille ennen kuin me tiedämme, mitä se kaikki tulee maksamaan"
    ),
    "cs": (
        "Včera jsem byl ještě jednou v loděnici a střecha je na tom mnohem hůř, než jsme si v létě mysleli. Můžeš se "
        "zeptat své sestry, jestli má její kamarád ještě ten dlouhý žebřík, který používal u kostela na návsi. "
        "Neměli bychom o tom ostatním říkat, dokud nebudeme vědět, kolik nás to všechno bude stát"
    ),
    "ru": (
        "Вчера я ещё раз была в лодочном сарае, и крыша там намного хуже, чем мы с тобой думали летом. Можешь спросить "
        "у своей сестры, есть ли ещё у её друга та длинная лестница, с которой он работал у церкви. Нам не стоит "
        "говорить об этом остальным, пока мы не узнаем, сколько это всё будет стоить"
    ),
    "uk": (
        "Вчора я ще раз була в човновому сараї, і дах там набагато гірший, ніж ми з тобою думали влітку. Чи можеш ти "
        "запитати свою сестру, чи є ще в її товариша та довга драбина, з якою він працював біля церкви. Нам не варто "
        "казати про це іншим, поки ми не дізнаємося, скільки це все буде коштувати"
    ),
    "tr": (
        "Dün bir kez daha kayıkhaneye gittim ve çatı bizim yazın düşündüğümüzden çok daha kötü bir durumda şimdi. Kız "
        "kardeşine sorar mısın, arkadaşında cami için kullandığı o uzun merdiven hala var mı yoksa başka birine mi "
        "verdi. Bu işin bize kaça mal olacağını öğrenmeden önce diğer arkadaşlara hiçbir şey söylememeliyiz bence"
    ),
    "hu": (
        "Tegnap még egyszer kint voltam a csónakháznál, és a tető sokkal rosszabb állapotban van, mint ahogy nyáron "
        "gondoltuk. Meg tudnád kérdezni a nővéredet, hogy a barátjának megvan-e még az a hosszú létra, amit a "
        "templomnál használt. Nem kellene erről a többieknek beszélni, amíg nem tudjuk, hogy mennyibe fog ez nekünk "
        "kerülni"
    ),
}  # fmt: skip
