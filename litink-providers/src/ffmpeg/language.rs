//! Language codes of three letters, which MP4 and ID3 want.

/// The languages that people read in most, as ISO 639-1 and ISO 639-2/T.
#[rustfmt::skip]
const CODES: &[(&str, &str)] = &[
    ("af", "afr"), ("ar", "ara"), ("be", "bel"), ("bg", "bul"), ("bn", "ben"), ("bs", "bos"),
    ("ca", "cat"), ("cs", "ces"), ("cy", "cym"), ("da", "dan"), ("de", "deu"), ("el", "ell"),
    ("en", "eng"), ("eo", "epo"), ("es", "spa"), ("et", "est"), ("eu", "eus"), ("fa", "fas"),
    ("fi", "fin"), ("fr", "fra"), ("ga", "gle"), ("gl", "glg"), ("gu", "guj"), ("he", "heb"),
    ("hi", "hin"), ("hr", "hrv"), ("hu", "hun"), ("hy", "hye"), ("id", "ind"), ("is", "isl"),
    ("it", "ita"), ("ja", "jpn"), ("ka", "kat"), ("kk", "kaz"), ("kn", "kan"), ("ko", "kor"),
    ("la", "lat"), ("lt", "lit"), ("lv", "lav"), ("mk", "mkd"), ("ml", "mal"), ("mr", "mar"),
    ("ms", "msa"), ("nb", "nob"), ("ne", "nep"), ("nl", "nld"), ("nn", "nno"), ("no", "nor"),
    ("pa", "pan"), ("pl", "pol"), ("pt", "por"), ("ro", "ron"), ("ru", "rus"), ("sk", "slk"),
    ("sl", "slv"), ("sq", "sqi"), ("sr", "srp"), ("sv", "swe"), ("sw", "swa"), ("ta", "tam"),
    ("te", "tel"), ("th", "tha"), ("tr", "tur"), ("uk", "ukr"), ("ur", "urd"), ("vi", "vie"),
    ("zh", "zho"),
];

/// The code of three letters for a BCP 47 tag; `None` for a language that is not in the list.
pub(super) fn iso_639_2(tag: &str) -> Option<&'static str> {
    let language = tag.split(['-', '_']).next()?;
    let known = |(two, three): &&(&str, &str)| {
        language.eq_ignore_ascii_case(two) || language.eq_ignore_ascii_case(three)
    };
    CODES.iter().find(known).map(|(_, three)| *three)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_with_regions_and_long_codes_are_known() {
        assert_eq!(iso_639_2("de-AT"), Some("deu"));
        assert_eq!(iso_639_2("EN_us"), Some("eng"));
        assert_eq!(iso_639_2("zho"), Some("zho"));
        assert_eq!(iso_639_2("tlh"), None);
        assert_eq!(iso_639_2(""), None);
    }
}
