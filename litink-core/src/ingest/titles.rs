//! What a title says: a chapter's number, a part's, or that it is a preface.

use std::{collections::HashMap, sync::LazyLock};

/// Where a heading stands among the divisions of a book, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Volume,
    Book,
    Part,
    Act,
    Chapter,
}

/// A title that numbers its division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered<'a> {
    pub(crate) rank: Rank,
    pub(crate) number: u32,
    /// What follows the number and its punctuation.
    pub(crate) rest: &'a str,
    /// Something (`.`, `:`, a dash) stands between the number and the rest.
    pub(crate) separated: bool,
    /// There is no word such as "chapter", only a number.
    pub(crate) bare: bool,
}

/// What a title says the text is to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Front matter wherever it stands.
    Front,
    /// Back matter wherever it stands.
    Back,
    /// Front or back matter, by where it stands.
    Either,
    /// An introduction: front matter before numbered chapters, else a chapter.
    Introduction,
    /// A prologue, an epilogue: part of the work, without a number.
    Story,
}

/// Words that name a division, in the languages of most books.
const DIVISIONS: &[(Rank, &[&str])] = &[
    (
        Rank::Chapter,
        &[
            "chapter",
            "chap",
            "letter",
            "stave",
            "canto",
            "scene",
            "kapitel",
            "chapitre",
            "capítulo",
            "capitulo",
            "capitolo",
            "capítol",
            "hoofdstuk",
            "rozdział",
            "rozdzial",
            "kapitola",
            "глава",
            "розділ",
            "kapittel",
            "luku",
            "fejezet",
            "bölüm",
            "capitolul",
            "κεφάλαιο",
            "פרק",
            "الفصل",
            "szene",
            "scène",
            "lettre",
            "brief",
            "carta",
            "lettera",
            "письмо",
            "явление",
            "سورة",
            "فصل",
            "poglavlje",
            "поглавље",
            "capítols",
            "peatükk",
            "skyrius",
            "nodaļa",
            "bab",
            "chương",
            "kafli",
            "caibidil",
            "розділ",
        ],
    ),
    (
        Rank::Act,
        &[
            "act",
            "akt",
            "acte",
            "acto",
            "atto",
            "ato",
            "aufzug",
            "действие",
            "movement",
            "tablet",
        ],
    ),
    (
        Rank::Part,
        &[
            "part",
            "teil",
            "partie",
            "parte",
            "part",
            "deel",
            "del",
            "część",
            "часть",
            "частина",
            "section",
            "díl",
            "osa",
            "rész",
            "bölümü",
            "kısım",
            "μέρος",
            "חלק",
            "الجزء",
            "القسم",
            "дио",
            "část",
            "partea",
        ],
    ),
    (
        Rank::Book,
        &[
            "book",
            "buch",
            "livre",
            "libro",
            "livro",
            "llibre",
            "boek",
            "bok",
            "книга",
            "księga",
            "kniha",
            "kirja",
            "könyv",
            "kitap",
            "βιβλίο",
            "ספר",
            "الكتاب",
        ],
    ),
    (
        Rank::Volume,
        &[
            "volume",
            "vol",
            "band",
            "tome",
            "tomo",
            "volum",
            "том",
            "tom",
            "svazek",
            "kötet",
            "τόμος",
            "כרך",
            "المجلد",
        ],
    ),
];

/// CJK: `第三章`, `第十二回`, `第一部`, `제1장`.
const CJK_DIVISIONS: &[(Rank, &[char])] = &[
    (
        Rank::Chapter,
        &['章', '回', '話', '话', '节', '節', '장', '화'],
    ),
    (Rank::Part, &['部', '篇', '编', '編', '부']),
    (Rank::Volume, &['卷', '巻', '권']),
];

/// Reads the number off a title; `None` when it has none, or only that of a section (`1.2`).
pub(crate) fn numbered(title: &str) -> Option<Numbered<'_>> {
    let title = title.trim();
    let title = strip_article(title);
    cjk(title)
        .or_else(|| division_then_number(title))
        .or_else(|| ordinal_then_division(title))
        .or_else(|| bare_number(title))
}

fn strip_article(title: &str) -> &str {
    let article = title.get(..4).filter(|a| a.eq_ignore_ascii_case("the "));
    article.map_or(title, |_| title[4..].trim_start())
}

fn division(word: &str) -> Option<Rank> {
    let word = word.trim_end_matches(['.', ':', ',']).to_lowercase();
    let found = DIVISIONS
        .iter()
        .find(|(_, words)| words.contains(&word.as_str()));
    found.map(|(rank, _)| *rank)
}

/// The first word and what follows it.
fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at(end)
}

/// Punctuation that may follow a number.
const AFTER_NUMBER: [char; 10] = ['.', ':', ',', ';', ')', ']', '-', '–', '—', '|'];

/// Splits `III.—The Map` into its number, whether it is set off, and the rest.
fn leading_number(text: &str) -> Option<(u32, bool, &str)> {
    let text = text.trim_start_matches(['(', '[', ' ']);
    let (word, _) = first_word(text);
    // "twenty-one" is one number, "III-The" is a number and a title.
    let whole = word.trim_end_matches(AFTER_NUMBER);
    let cut = word.find(AFTER_NUMBER).unwrap_or(word.len());
    let (number, len) = [whole, &word[..cut]]
        .into_iter()
        .find_map(|part| number(part).map(|n| (n, part.len())))?;
    let after = &text[len..];
    // "الثاني عشر": the second and ten.
    let ten = after
        .trim_start()
        .strip_prefix("عشر")
        .filter(|rest| !rest.starts_with(char::is_alphabetic));
    let (number, after) = ten.map_or((number, after), |rest| (number + 10, rest));
    let rest = after.trim_start_matches(|c: char| AFTER_NUMBER.contains(&c) || c.is_whitespace());
    let separated = after.trim_start().starts_with(AFTER_NUMBER);
    // "1.2 Scope" numbers a section, not a chapter.
    let is_section = after.starts_with('.') && after[1..].starts_with(|c: char| c.is_ascii_digit());
    (!is_section).then_some((number, separated, rest))
}

fn division_then_number(title: &str) -> Option<Numbered<'_>> {
    let (word, rest) = first_word(title);
    let rank = division(word)?;
    let (number, separated, rest) = leading_number(rest)?;
    Some(Numbered {
        rank,
        number,
        rest,
        separated,
        bare: false,
    })
}

/// `FIRST PART`, `Erstes Kapitel`, `Première partie`.
fn ordinal_then_division(title: &str) -> Option<Numbered<'_>> {
    let (word, after) = first_word(title);
    let number = number(word.trim_end_matches('.'))?;
    let (noun, after) = first_word(after);
    let rank = division(noun)?;
    Some(Numbered {
        rank,
        number,
        rest: after.trim_start_matches(|c: char| AFTER_NUMBER.contains(&c) || c.is_whitespace()),
        separated: noun.ends_with(AFTER_NUMBER) || after.trim_start().starts_with(AFTER_NUMBER),
        bare: false,
    })
}

fn bare_number(title: &str) -> Option<Numbered<'_>> {
    let (number, separated, rest) = leading_number(title)?;
    let digits = title.starts_with(|c: char| c.is_ascii_digit());
    // "I am" and "One day" number nothing; "3 The Map" does, "3 men" hardly.
    let counts = rest.is_empty()
        || separated && rest.starts_with(|c: char| !c.is_lowercase())
        || digits && number < 200 && rest.starts_with(char::is_uppercase);
    counts.then_some(Numbered {
        rank: Rank::Chapter,
        number,
        rest,
        separated,
        bare: true,
    })
}

fn cjk(title: &str) -> Option<Numbered<'_>> {
    let after = title.strip_prefix(['第', '제'])?.trim_start();
    let end = after.find(|c| CJK_DIVISIONS.iter().any(|(_, chars)| chars.contains(&c)))?;
    let mark = after[end..].chars().next()?;
    let (rank, _) = CJK_DIVISIONS
        .iter()
        .find(|(_, chars)| chars.contains(&mark))?;
    Some(Numbered {
        rank: *rank,
        number: number(after[..end].trim())?,
        rest: after[end + mark.len_utf8()..].trim(),
        separated: true,
        bare: false,
    })
}

/// A number in digits, Roman or Chinese numerals, or words.
pub(crate) fn number(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > 40 {
        return None;
    }
    if let Some(number) = digits(text) {
        return Some(number).filter(|n| *n < 10_000);
    }
    roman(text)
        .or_else(|| chinese(text))
        .or_else(|| hebrew(text))
        .or_else(|| spelled(&text.to_lowercase()))
}

/// Decimal digits: European, Arabic, Persian, full width.
fn digits(text: &str) -> Option<u32> {
    text.chars().try_fold(0_u32, |number, c| {
        let zero = ['0', '٠', '۰', '０', '०'].into_iter().find(|zero| {
            let place = u32::from(c).checked_sub(u32::from(*zero));
            place.is_some_and(|place| place < 10)
        })?;
        let digit = u32::from(c) - u32::from(zero);
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Hebrew letters as numbers, the largest first: `א`, `י״ב`, `טו`.
fn hebrew(text: &str) -> Option<u32> {
    let mut total = 0;
    let mut last = u32::MAX;
    for c in text
        .chars()
        .filter(|c| !matches!(c, '׳' | '״' | '\'' | '"'))
    {
        let place = "אבגדהוזחטיכלמנסעפצקרשת"
            .chars()
            .position(|letter| letter == c)?;
        let place = u32::try_from(place).ok()? + 1;
        let value = match place {
            1..=9 => place,
            10..=18 => (place - 9) * 10,
            _ => (place - 18) * 100,
        };
        if value > last || value == last && value < 400 {
            return None;
        }
        (total, last) = (total + value, value);
    }
    (total > 0 && total < 1_000).then_some(total)
}

/// Canonical Roman numerals, all in one case.
fn roman(text: &str) -> Option<u32> {
    const VALUES: [(&str, u32); 13] = [
        ("M", 1000),
        ("CM", 900),
        ("D", 500),
        ("CD", 400),
        ("C", 100),
        ("XC", 90),
        ("L", 50),
        ("XL", 40),
        ("X", 10),
        ("IX", 9),
        ("V", 5),
        ("IV", 4),
        ("I", 1),
    ];
    let upper = text.to_ascii_uppercase();
    if upper != text && text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let (mut rest, mut value, mut written) = (upper.as_str(), 0, String::new());
    for (numeral, n) in VALUES {
        while let Some(after) = rest.strip_prefix(numeral) {
            (rest, value) = (after, value + n);
            written.push_str(numeral);
            if value > 4000 {
                return None;
            }
        }
    }
    (rest.is_empty() && value > 0 && to_roman(value) == upper).then_some(value)
}

fn to_roman(mut value: u32) -> String {
    let mut out = String::new();
    for (n, numeral) in [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ] {
        while value >= n {
            out.push_str(numeral);
            value -= n;
        }
    }
    out
}

fn chinese(text: &str) -> Option<u32> {
    let (mut total, mut digit) = (0_u32, None);
    for c in text.chars() {
        let unit = match c {
            '十' => 10,
            '百' => 100,
            '千' => 1000,
            _ => {
                let value = "〇一二三四五六七八九".chars().position(|d| d == c);
                let value = value.or_else(|| c.to_digit(10).map(|d| d as usize));
                let value = u32::try_from(if c == '零' { 0 } else { value? }).ok()?;
                digit = Some(digit.unwrap_or(0) * 10 + value);
                continue;
            }
        };
        total += digit.take().unwrap_or(1) * unit;
    }
    let number = total + digit.unwrap_or(0);
    (number > 0 && number < 10_000).then_some(number)
}

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
fn spelled(text: &str) -> Option<u32> {
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

/// Titles that name their role; `true` when more words may follow ("Preface to the Third Edition").
const ROLES: &[(Role, bool, &[&str])] = &[
    (
        Role::Front,
        true,
        &[
            "preface",
            "foreword",
            "dedication",
            "half title",
            "halftitle",
            "title page",
            "titlepage",
            "table of contents",
            "list of illustrations",
            "list of figures",
            "list of tables",
            "praise for",
            "vorwort",
            "widmung",
            "inhaltsverzeichnis",
            "préface",
            "avant-propos",
            "table des matières",
            "prefacio",
            "prefazione",
            "prefácio",
            "dedicatoria",
            "предисловие",
            "הקדמה",
            "פתח דבר",
            "مقدمة",
            "تمهيد",
            "تقديم",
            "فهرس",
            "المحتويات",
            "תוכן העניינים",
            "előszó",
            "önsöz",
            "esipuhe",
            "predgovor",
            "πρόλογος του",
            "передмова",
            "зміст",
            "spis treści",
            "obsah",
            "índice general",
            "dedicatória",
            "dédicace",
            "opdracht",
            "оглавление",
            "содержание",
            "przedmowa",
            "voorwoord",
            "inhoudsopgave",
            "förord",
            "forord",
            "předmluva",
            "frontispiece",
        ],
    ),
    (
        Role::Front,
        false,
        &[
            "contents",
            "epigraph",
            "cover",
            "inhalt",
            "indice",
            "índice",
            "sommaire",
            "sommario",
            "目录",
            "目次",
            "目錄",
            "前言",
            "序文",
            "序言",
            "まえがき",
            "序",
            "まえがき",
            "はじめに",
            "illustrations",
            "frontmatter",
        ],
    ),
    (
        Role::Back,
        true,
        &[
            "afterword",
            "appendix",
            "appendices",
            "glossary",
            "bibliography",
            "endnotes",
            "footnotes",
            "colophon",
            "uncopyright",
            "the full project gutenberg",
            "full project gutenberg",
            "project gutenberg license",
            "further reading",
            "list of endnotes",
            "works cited",
            "reading group guide",
            "discussion questions",
            "transcriber",
            "nachwort",
            "anhang",
            "glossar",
            "literaturverzeichnis",
            "postface",
            "annexe",
            "bibliographie",
            "glossaire",
            "apéndice",
            "epílogo del autor",
            "glosario",
            "bibliografía",
            "bibliografia",
            "appendice",
            "apêndice",
            "приложение",
            "послесловие",
            "אחרית דבר",
            "נספח",
            "ملحق",
            "المراجع",
            "utószó",
            "efterord",
            "etterord",
            "jälkisanat",
            "sonsöz",
            "doslov",
            "післямова",
            "postfazione",
            "posfácio",
            "глоссарий",
            "posłowie",
            "nawoord",
        ],
    ),
    (
        Role::Back,
        false,
        &[
            "notes",
            "index",
            "references",
            "license",
            "licence",
            "the end",
            "register",
            "anmerkungen",
            "примечания",
            "附录",
            "附錄",
            "後記",
            "后记",
            "あとがき",
            "索引",
            "errata",
        ],
    ),
    (
        Role::Either,
        true,
        &[
            "acknowledgment",
            "acknowledgement",
            "acknowledgments",
            "acknowledgements",
            "copyright",
            "imprint",
            "impressum",
            "about the author",
            "about the publisher",
            "about this book",
            "also by",
            "by the same author",
            "other books by",
            "author's note",
            "author’s note",
            "translator's note",
            "translator’s note",
            "publisher's note",
            "publisher’s note",
            "note on the text",
            "a note on",
            "newsletter",
            "danksagung",
            "remerciements",
            "agradecimientos",
            "agradecimentos",
            "ringraziamenti",
            "credits",
        ],
    ),
    (
        Role::Either,
        false,
        &["legal notice", "license", "版权页", "奥付", "advertisement"],
    ),
    (
        Role::Introduction,
        true,
        &[
            "introduction",
            "introductory",
            "einleitung",
            "einführung",
            "introducción",
            "introduzione",
            "introdução",
            "введение",
            "wstęp",
            "inleiding",
            "inledning",
        ],
    ),
    (
        Role::Story,
        true,
        &[
            "prologue",
            "prolog",
            "epilogue",
            "epilog",
            "interlude",
            "intermezzo",
            "prélude",
            "prelude",
            "postscript",
            "conclusion",
            "finale",
            "prólogo",
            "epílogo",
            "prologo",
            "epilogo",
            "épilogue",
            "пролог",
            "эпилог",
            "خاتمة",
            "الخاتمة",
            "אפילוג",
            "פרולוג",
            "prolog",
            "epilog",
            "序章",
            "終章",
            "终章",
            "楔子",
            "尾声",
            "coda",
            "schluss",
        ],
    ),
];

/// What a title says the text is, by its words in the languages of most books.
pub(crate) fn role(title: &str) -> Option<Role> {
    let lower = title.trim().to_lowercase();
    let title = lower.trim_matches(|c: char| !c.is_alphanumeric());
    // A long title is a sentence that happens to start so.
    let is_short = title.split_whitespace().count() <= 8;
    let matches = |name: &str, more: bool| {
        title.strip_prefix(name).is_some_and(|rest| {
            let ends = rest.is_empty() || rest.starts_with(|c: char| !c.is_alphanumeric());
            ends && (rest.is_empty() || more && is_short)
        })
    };
    ROLES
        .iter()
        .find(|(_, more, names)| names.iter().any(|name| matches(name, *more)))
        .map(|(role, ..)| *role)
}

/// A title for comparison: letters and digits only, in lower case.
pub(crate) fn fold(title: &str) -> String {
    let letters = title.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_many_shapes() {
        let cases = [
            ("12", 12),
            ("XLIV", 44),
            ("iv", 4),
            ("twenty-one", 21),
            ("Erstes", 1),
            ("первая", 1),
            ("三十二", 32),
            ("十", 10),
            ("ONE", 1),
            ("thirtieth", 30),
            ("einundzwanzigstes", 21),
            ("dreißigste", 30),
            ("١٢", 12),
            ("י״ב", 12),
            ("ט", 9),
            ("الثالث", 3),
            ("piąty", 5),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for text in ["IIII", "Iv", "the", "", "mix-up", "99999"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn titles_in_many_languages() {
        use Rank::{Act, Book, Chapter, Part, Volume};
        let cases = [
            ("CHAPTER I.", Chapter, 1, ""),
            ("Chapter 12: The Map", Chapter, 12, "The Map"),
            ("Chapter Twenty-One", Chapter, 21, ""),
            ("CHAPTER III.—In which", Chapter, 3, "In which"),
            ("The First Book", Book, 1, ""),
            ("PART TWO", Part, 2, ""),
            ("Volume II", Volume, 2, ""),
            ("ACT IV", Act, 4, ""),
            ("Erstes Kapitel", Chapter, 1, ""),
            ("Chapitre premier", Chapter, 1, ""),
            ("Глава первая", Chapter, 1, ""),
            ("第三章 地图", Chapter, 3, "地图"),
            ("제1장", Chapter, 1, ""),
            ("الفصل الثاني عشر", Chapter, 12, ""),
            ("الجزء ٢", Part, 2, ""),
            ("פרק ג", Chapter, 3, ""),
            ("Rozdział piąty", Chapter, 5, ""),
            ("Einundzwanzigstes Kapitel", Chapter, 21, ""),
            ("Kapitel 3. Das Licht", Chapter, 3, "Das Licht"),
            ("7", Chapter, 7, ""),
            ("IV. The Lamp", Chapter, 4, "The Lamp"),
            ("3 The Lamp", Chapter, 3, "The Lamp"),
            ("Letter 4", Chapter, 4, ""),
        ];
        for (title, rank, number, rest) in cases {
            let found = numbered(title).unwrap_or_else(|| panic!("{title}"));
            assert_eq!(
                (found.rank, found.number, found.rest),
                (rank, number, rest),
                "{title}"
            );
        }
    }

    #[test]
    fn titles_without_a_number() {
        for title in [
            "I am the Cat",
            "One day",
            "1.2 Scope",
            "The Map",
            "Part of the Way",
            "Actor 3",
        ] {
            assert_eq!(numbered(title), None, "{title}");
        }
    }

    #[test]
    fn roles() {
        let cases = [
            ("PREFACE", Some(Role::Front)),
            ("Preface to the Second Edition", Some(Role::Front)),
            ("Contents", Some(Role::Front)),
            ("Appendix A: Tables", Some(Role::Back)),
            ("Copyright Page", Some(Role::Either)),
            ("Epilogue", Some(Role::Story)),
            ("Introduction", Some(Role::Introduction)),
            ("Notes", Some(Role::Back)),
            ("Notes from Underground", None),
            ("Indexing the World", None),
            ("THE FULL PROJECT GUTENBERG LICENSE", Some(Role::Back)),
        ];
        for (title, expected) in cases {
            assert_eq!(role(title), expected, "{title}");
        }
    }
}
