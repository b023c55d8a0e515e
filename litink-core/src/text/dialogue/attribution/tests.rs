use super::*;

fn attribute(text: &str, _: Range<usize>) -> Vec<Span> {
    super::attribute(text, "en")
}

fn speakers(text: &str) -> Vec<(String, Option<String>)> {
    attribute(text, 0..text.len())
        .into_iter()
        .map(|line| (text[line.range].to_owned(), line.speaker))
        .collect()
}

fn names(text: &str) -> Vec<String> {
    let named = speakers(text).into_iter();
    named
        .map(|(_, name)| name.unwrap_or_else(|| "?".to_owned()))
        .collect()
}

#[test]
fn tags_before_and_after_in_either_order() {
    let text = "“The lamp is out,” said Mira.\n\nTom frowned. He said, “Then light it.”\n\n\
        “With what?” the old man asked.\n\nMira turned to Tom and whispered: “Matches.”\n\n\
        “I have none,” Dr. Brandt quietly replied, “and want none.”";
    assert_eq!(
        names(text),
        [
            "Mira",
            "Tom",
            "the old man",
            "Mira",
            "Dr. Brandt",
            "Dr. Brandt"
        ]
    );
}

#[test]
fn ranges_are_bytes_of_the_message_with_the_marks() {
    let text = "Ö. “Ja,” said Zoë. “Nein.”";
    let lines = attribute(text, 0..text.len());
    let texts: Vec<_> = lines.iter().map(|l| &text[l.range.clone()]).collect();
    assert_eq!(texts, ["“Ja,”", "“Nein.”"]);
    assert!(
        lines
            .iter()
            .all(|l| l.speaker.as_deref() == Some("Zoë") && l.confidence > 0.9)
    );
}

#[test]
fn untagged_lines_take_turns() {
    let text = "“You came,” said Mira.\n\n“I had to,” said Tom.\n\n“Why?”\n\n“You know why.”\n\n\
        “I do not.”";
    assert_eq!(names(text), ["Mira", "Tom", "Mira", "Tom", "Mira"]);
    let lines = attribute(text, 0..text.len());
    assert!(lines[2].confidence < lines[0].confidence);
}

#[test]
fn who_is_spoken_to_answers() {
    let text = "Mira and Tom sat by the fire.\n\n“Are you cold, Tom?” asked Mira.\n\n“No.”";
    assert_eq!(names(text), ["Mira", "Tom"]);
}

#[test]
fn pronouns_go_by_gender() {
    let text = "Mira put down her book. Tom took off his coat.\n\n“Is it raining?” she asked.\n\n\
        “Pouring,” he said.";
    assert_eq!(names(text), ["Mira", "Tom"]);
}

#[test]
fn beats_and_speeches_of_several_paragraphs() {
    let text = "Mira shrugged. “It was long ago.\n\n“And I was young.”\n\n“So were we all.” Tom \
        looked away.";
    assert_eq!(names(text), ["Mira", "Mira", "Tom"]);
}

#[test]
fn a_tag_may_end_the_paragraph_before() {
    let text = "At last Mira cleared her throat and said:\n\n“We leave at dawn.”";
    assert_eq!(names(text), ["Mira"]);
}

#[test]
fn first_persons_and_short_names() {
    let text = "“Who is there?” I asked.\n\n“Anna Stein,” said Anna Stein.\n\n“Come in,” I said.\n\n\
        “Thank you,” said Stein.";
    assert_eq!(names(text), ["I", "Anna Stein", "I", "Anna Stein"]);
}

#[test]
fn married_couples_stay_two() {
    let text = "“My dear Mr. Bennet,” said his lady to him one day, “have you heard that \
        Netherfield Park is let at last?”\n\nMr. Bennet replied that he had not.\n\n“But it is,” \
        returned she; “for Mrs. Long has just been here, and she told me all about it.”\n\nMr. \
        Bennet made no answer.\n\n“Do not you want to know who has taken it?” cried Mrs. Bennet.\
        \n\n“You want to tell me,” said Mr. Bennet, “and I have no objection to hearing it.”";
    let found = names(text);
    assert_eq!(found[..4], ["his lady"; 4]);
    assert_eq!(found[4..], ["Mrs. Bennet", "Mr. Bennet", "Mr. Bennet"]);
}

#[test]
fn words_in_marks_within_a_sentence_are_not_speech() {
    let text = "The so-called “boat” was a door. Everybody called it a “ship” all the same.";
    assert_eq!(names(text), Vec::<String>::new());
}

#[test]
fn who_cannot_be_told_is_not_guessed() {
    let lines = attribute("“Nobody knows.”", 0..19);
    assert_eq!(lines[0].speaker, None);
    assert_eq!(lines[0].confidence, 0.0);
    assert_eq!(attribute("", 0..0), []);
}

#[test]
fn british_quotation_marks() {
    let text = "‘It’s Tom’s,’ said Mira. ‘Isn’t it?’\n\n‘It is,’ said Tom.";
    assert_eq!(names(text), ["Mira", "Mira", "Tom"]);
}
