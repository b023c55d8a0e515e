//! What a title says: a chapter's number, a part's, or that it is a preface.

mod numbers;
mod roles;
mod words;

pub(crate) use self::{numbers::number, roles::role};

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
