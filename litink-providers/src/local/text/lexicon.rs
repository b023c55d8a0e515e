//! English words by what they say about speakers.

/// Verbs of saying, in the forms that tags use.
pub(super) const SPEECH_VERBS: &[&str] = &[
    "added", "admitted", "admonished", "agreed", "announced", "answered", "argued", "asked",
    "asks", "asserted", "assured", "babbled", "barked", "bawled", "began", "begged", "bellowed",
    "blurted", "boasted", "boomed", "breathed", "called", "calls", "cautioned", "chimed",
    "chuckled", "coaxed", "commanded", "commented", "complained", "conceded", "concluded",
    "confessed", "confirmed", "continued", "countered", "cried", "cries", "croaked", "declared",
    "demanded", "drawled", "echoed", "ejaculated", "exclaimed", "explained", "faltered",
    "finished", "gasped", "giggled", "groaned", "growled", "grumbled", "grunted", "hissed",
    "howled", "inquired", "enquired", "insisted", "interjected", "interposed", "interrupted",
    "joked", "lamented", "laughed", "lied", "moaned", "mumbled", "murmured", "muttered",
    "objected", "observed", "offered", "ordered", "panted", "persisted", "piped", "pleaded",
    "pointed", "pondered", "prompted", "promised", "protested", "put", "queried", "quipped",
    "rejoined", "remarked", "reminded", "repeated", "replied", "replies", "responded", "resumed",
    "retorted", "returned", "roared", "said", "saith", "says", "scoffed", "screamed", "shouted",
    "shrieked", "sighed", "sneered", "snapped", "snarled", "sniffed", "snorted", "sobbed",
    "spluttered", "spoke", "squeaked", "stammered", "stated", "stuttered", "suggested", "teased",
    "told", "urged", "ventured", "volunteered", "wailed", "warned", "went", "whimpered",
    "whined", "whispered", "wondered", "yelled", "quoth", "thought",
];

/// Words between a subject and its verb: "Mira had then quietly said".
pub(super) const BETWEEN: &[&str] = &[
    "had", "has", "then", "again", "also", "only", "merely", "simply", "just", "at", "last",
    "once", "now", "at", "first", "almost", "would", "could", "did",
];

/// A noun phrase of lower-case words ends before these.
pub(super) const PHRASE_ENDS: &[&str] = &[
    "after", "again", "and", "as", "at", "before", "but", "by", "for", "from", "has", "had", "he",
    "her", "him", "his", "in", "into", "is", "it", "of", "on", "once", "over", "quietly", "she",
    "slowly", "softly", "that", "then", "they", "through", "to", "under", "was", "were", "when",
    "where", "which", "while", "who", "with", "without",
];

/// Words that begin a noun phrase of lower-case words.
pub(super) const ARTICLES: &[&str] = &["the", "a", "an", "his", "her", "my", "our", "their"];

/// Nobody's name, however they are written.
pub(super) const NOT_NAMES: &[&str] = &[
    "a", "after", "again", "ah", "all", "although", "an", "and", "another", "any", "are", "as",
    "at", "away", "because", "before", "behind", "both", "but", "by", "can", "chapter", "come",
    "could", "did", "do", "down", "during", "each", "either", "english", "even", "every",
    "everyone", "everything", "finally", "first", "for", "french", "from", "german", "go", "god",
    "good", "had", "has", "have", "he", "hello", "her", "here", "his", "how", "however", "i", "if",
    "in", "indeed", "instead", "is", "it", "its", "just", "last", "later", "let", "like", "many",
    "maybe", "more", "most", "my", "neither", "never", "next", "no", "nobody", "none", "nor",
    "not", "nothing", "now", "of", "oh", "on", "once", "one", "only", "or", "other", "our", "out",
    "over", "perhaps", "please", "quite", "shall", "she", "since", "so", "some", "someone",
    "something", "soon", "still", "such", "thank", "that", "the", "their", "then", "there",
    "these", "they", "this", "those", "though", "three", "through", "to", "together", "too", "two",
    "under", "until", "up", "upon", "very", "was", "we", "well", "were", "what", "when", "where",
    "which", "while", "who", "whose", "why", "will", "with", "without", "would", "yes", "yet",
    "you", "your", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    "january", "february", "march", "april", "june", "july", "august", "september", "october",
    "november", "december", "christmas", "easter",
];

/// Titles before a man's name, and nouns for men.
pub(super) const MALE: &[&str] = &[
    "mr", "sir", "lord", "uncle", "king", "prince", "father", "brother", "grandfather", "duke",
    "count", "baron", "monsieur", "herr", "man", "boy", "gentleman", "fellow", "son", "husband",
    "squire", "lad", "he", "him", "his", "himself",
];

/// Titles before a woman's name, and nouns for women.
pub(super) const FEMALE: &[&str] = &[
    "mrs", "miss", "ms", "lady", "aunt", "queen", "princess", "mother", "sister", "grandmother",
    "duchess", "countess", "madame", "mademoiselle", "frau", "woman", "girl", "daughter", "wife",
    "maid", "lass", "nurse", "she", "her", "hers", "herself",
];

/// Titles before a name, whosever.
pub(super) const TITLES: &[&str] = &[
    "mr", "mrs", "ms", "miss", "dr", "doctor", "sir", "lord", "lady", "captain", "capt", "colonel",
    "col", "major", "general", "lieutenant", "sergeant", "professor", "prof", "king", "queen",
    "prince", "princess", "duke", "duchess", "count", "countess", "baron", "father", "mother",
    "brother", "sister", "uncle", "aunt", "grandfather", "grandmother", "madame", "monsieur",
    "mademoiselle", "herr", "frau", "inspector", "judge", "saint", "st", "reverend", "rev", "old",
    "young", "little", "poor", "squire", "cousin", "nurse", "don", "señor", "master",
];

/// Small words within names.
pub(super) const PARTICLES: &[&str] = &["de", "von", "van", "der", "du", "la", "le", "di", "da"];
