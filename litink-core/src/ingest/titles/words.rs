//! Numbers in words, in the languages of most books.

use std::{collections::HashMap, sync::LazyLock};

const ONES: &[&str] = &[
    "one first eins erste erster erstes un une premier première premiero primero primera uno primo \
     prima um primeiro primeira первая первый один eerste",
    "two second zwei zweite zweiter zweites deux deuxième second seconde segundo segunda due \
     secondo seconda dois вторая второй два tweede",
    "three third drei dritte dritter drittes trois troisième tercero tercera tres tre terzo terza \
     três terceiro terceira третья третий три derde",
    "four fourth vier vierte vierter viertes quatre quatrième cuarto cuarta cuatro quattro quarto \
     quarta quatro четвертая четвёртая четвертый четыре vierde",
    "five fifth fünf fünfte fünfter fünftes cinq cinquième quinto quinta cinco cinque пятая пятый \
     пять vijfde",
    "six sixth sechs sechste sechster sechstes sixième sexto sexta seis sei sesto sesta шестая \
     шестой шесть zesde",
    "seven seventh sieben siebte siebter siebtes siebentes sept septième séptimo séptima siete \
     sette settimo sétimo sete седьмая седьмой семь zevende",
    "eight eighth acht achte achter achtes huit huitième octavo octava ocho otto ottavo oitavo \
     oito восьмая восьмой восемь achtste",
    "nine ninth neun neunte neunter neuntes neuf neuvième noveno novena nueve nove nono девятая \
     девятый девять negende",
    "ten tenth zehn zehnte zehnter zehntes dix dixième décimo décima diez dieci decimo dez десятая \
     десятый десять tiende",
    "eleven eleventh elf elfte elftes onze onzième undécimo once undici одиннадцатая",
    "twelve twelfth zwölf zwölfte zwölftes douze douzième duodécimo doce dodici doze двенадцатая",
    "thirteen thirteenth dreizehn dreizehntes treize treizième trece tredici treze тринадцатая",
    "fourteen fourteenth vierzehn vierzehntes quatorze catorce quattordici четырнадцатая",
    "fifteen fifteenth fünfzehn fünfzehntes quinze quince quindici пятнадцатая",
    "sixteen sixteenth sechzehn sechzehntes seize sedici шестнадцатая",
    "seventeen seventeenth siebzehn siebzehntes семнадцатая",
    "eighteen eighteenth achtzehn achtzehntes восемнадцатая",
    "nineteen nineteenth neunzehn neunzehntes девятнадцатая",
];

/// Further languages, and further forms.
const MORE_ONES: &[(u32, &str)] = &[
    (
        1,
        "الأول الأولى الاول ראשון ראשונה pierwszy pierwsza první första førsta første ensimmäinen első birinci primer prim întâi πρώτο πρώτη перша перший einen primul",
    ),
    (
        2,
        "الثاني الثانية שני שנייה שניה drugi druga druhá druhý andra anden annen toinen második ikinci segon doua δεύτερο δεύτερη друга другий",
    ),
    (
        3,
        "الثالث الثالثة שלישי שלישית trzeci trzecia třetí tredje kolmas harmadik üçüncü tercer treia τρίτο τρίτη третя третій",
    ),
    (
        4,
        "الرابع الرابعة רביעי רביעית czwarty czwarta čtvrtá čtvrtý fjärde fjerde neljäs negyedik dördüncü quart patra τέταρτο четверта четвертий",
    ),
    (
        5,
        "الخامس الخامسة חמישי חמישית piąty piąta pátá pátý femte viides ötödik beşinci cinquè cincea πέμπτο пята",
    ),
    (
        6,
        "السادس السادسة שישי ששי szósty szósta šestý sjätte sjette kuudes hatodik altıncı sisè έκτο шоста",
    ),
    (
        7,
        "السابع السابعة שביעי siódmy siódma sedmá sedmý sjunde syvende seitsemäs hetedik yedinci setè έβδομο сьома",
    ),
    (
        8,
        "الثامن الثامنة שמיני ósmy ósma osmá osmý åttonde ottende åttende kahdeksas nyolcadik sekizinci vuitè όγδοο восьма",
    ),
    (
        9,
        "التاسع التاسعة תשיעי dziewiąty dziewiąta devátá devátý nionde niende yhdeksäs kilencedik dokuzuncu novè ένατο",
    ),
    (
        10,
        "العاشر العاشرة עשירי dziesiąty dziesiąta desátá desátý tionde tiende kymmenes tizedik onuncu desè δέκατο",
    ),
    (
        11,
        "الحادي одиннадцать onceno décimoprimero onzè elfde jedenasty",
    ),
    (12, "двенадцать duodecimo twaalfde dwunasty"),
    (13, "тринадцать decimoterzo"),
    (14, "четырнадцать"),
    (15, "пятнадцать"),
    (16, "шестнадцать dieciséis"),
    (17, "семнадцать dix-sept diecisiete diciassette"),
    (18, "восемнадцать dix-huit dieciocho diciotto"),
    (19, "девятнадцать dix-neuf diecinueve diciannove"),
];

const TENS: &[(&str, u32)] = &[
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fourty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
    ("hundred", 100),
    ("twentieth", 20),
    ("thirtieth", 30),
    ("fortieth", 40),
    ("fiftieth", 50),
    ("sixtieth", 60),
    ("seventieth", 70),
    ("eightieth", 80),
    ("ninetieth", 90),
    ("hundredth", 100),
    ("zwanzig", 20),
    ("zwanzigstes", 20),
    ("vingt", 20),
    ("veinte", 20),
    ("venti", 20),
    ("двадцатая", 20),
    ("двадцать", 20),
];

/// Number words below twenty, in lower case.
static SMALL: LazyLock<HashMap<&str, u32>> = LazyLock::new(|| {
    let numbered = ONES.iter().copied().zip(1..);
    let more = MORE_ONES.iter().map(|(n, words)| (*words, *n));
    more.chain(numbered)
        .flat_map(|(words, n)| words.split_whitespace().map(move |word| (word, n)))
        .collect()
});

/// `twenty-one`, `Erstes`, `première`; the argument in lower case.
pub(super) fn spelled(text: &str) -> Option<u32> {
    let one = |word: &str| SMALL.get(word).copied();
    let ten = |word: &str| TENS.iter().find(|(name, _)| *name == word).map(|(_, n)| *n);
    match text.split_once('-') {
        None => one(text).or_else(|| ten(text)).or_else(|| german(text)),
        Some((tens, ones)) => Some(ten(tens)? + one(ones).filter(|n| *n < 10)?),
    }
}

/// `einundzwanzig`, `einundzwanzigstes`, `dreißigste`.
fn german(text: &str) -> Option<u32> {
    const TENS: [&str; 8] = [
        "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig",
    ];
    let stem = ["stes", "ster", "ste"]
        .iter()
        .find_map(|end| text.strip_suffix(end));
    let stem = stem.unwrap_or(text);
    let (tens, name) = TENS
        .iter()
        .zip(2..)
        .find_map(|(name, n)| Some((n, stem.strip_suffix(name)?)))?;
    let ones = match name.strip_suffix("und") {
        Some("ein") => 1,
        Some(ones) => SMALL.get(ones).copied().filter(|n| *n < 10)?,
        None if name.is_empty() => 0,
        None => return None,
    };
    Some(tens * 10 + ones)
}
