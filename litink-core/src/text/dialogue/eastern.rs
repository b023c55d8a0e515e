//! Chinese and Japanese, which have no blanks, capitals or articles to go by: who speaks is what
//! stands before a verb of saying or a particle.

use std::collections::BTreeSet;

use super::{
    attribution::{Found, found},
    names::{Gender, Token, Who},
};

/// The rules of one of the two, and the names found so far.
#[derive(Debug)]
pub(super) struct Rules {
    japanese: bool,
    known: BTreeSet<String>,
}

/// Chinese verbs of saying, the longer ones first.
const CHINESE: &[&str] = &[
    "回答道",
    "喃喃道",
    "大喊",
    "回答",
    "说道",
    "问道",
    "答道",
    "喊道",
    "叫道",
    "笑道",
    "叹道",
    "骂道",
    "低语",
    "說道",
    "問道",
    "說",
    "問",
    "说",
    "问",
    "答",
    "喊",
    "叫",
    "道",
];
/// What may stand between a Chinese speaker and the verb.
const CHINESE_ADVERBS: &[&str] = &[
    "轻声",
    "低声",
    "大声",
    "小声",
    "高声",
    "笑着",
    "哭着",
    "忽然",
    "突然",
    "连忙",
    "急忙",
    "又",
    "也",
    "便",
    "就",
    "却",
    "则",
    "才",
    "都",
    "再",
    "对他",
    "对她",
    "对我",
    "冷冷地",
    "慢慢地",
    "轻轻地",
    "悄悄地",
];
/// Stems of Japanese verbs of saying.
const JAPANESE: &[&str] = &[
    "言",
    "いっ",
    "云",
    "尋",
    "訊",
    "聞",
    "答",
    "叫",
    "囁",
    "ささや",
    "呟",
    "つぶや",
    "話",
    "返",
    "怒鳴",
    "笑",
    "うなず",
    "頷",
    "語",
];

impl Rules {
    /// Of these two languages, none else.
    pub(super) fn of(language: &str) -> Option<Self> {
        matches!(language, "ja" | "zh").then(|| Self {
            japanese: language == "ja",
            known: BTreeSet::new(),
        })
    }

    /// "I".
    pub(super) fn narrator(&self) -> &'static str {
        if self.japanese { "私" } else { "我" }
    }

    /// 「…」とケンは言った, “……”王明说
    pub(super) fn tag_after(&mut self, gap: &[Token<'_>]) -> Option<Found> {
        let first = gap.iter().find(|token| !is_comma(token))?;
        if !first.is_word() {
            return None;
        }
        if self.japanese {
            let rest = first
                .text
                .strip_prefix("って")
                .or(first.text.strip_prefix('と'));
            let rest = rest.unwrap_or(first.text);
            let (name, act) = split_particle(rest)?;
            return JAPANESE
                .iter()
                .any(|stem| act.contains(stem))
                .then(|| self.who(name, 0.95))
                .flatten();
        }
        self.chinese(first.text, 0.95)
    }

    /// ケンは「…」, 王明说：“……”
    pub(super) fn tag_before(&mut self, gap: &[Token<'_>]) -> Option<Found> {
        let start = gap
            .iter()
            .rposition(|token| matches!(token.text, "。" | "！" | "？"))
            .filter(|at| at + 1 < gap.len())
            .map_or(0, |at| at + 1);
        let clause = &gap[start..];
        let last = clause.iter().rev().find(|token| token.is_word())?;
        if self.japanese {
            let first = clause.iter().find(|token| token.is_word())?;
            let (name, act) = split_particle(first.text)?;
            let says = act.is_empty() || JAPANESE.iter().any(|stem| last.text.contains(stem));
            return self.who(name, if says { 0.9 } else { 0.65 });
        }
        if !gap
            .last()
            .is_some_and(|token| matches!(token.text, "：" | ":" | "，" | ","))
        {
            return None;
        }
        self.chinese(last.text, 0.9).or_else(|| {
            let first = clause.first()?.text;
            let name = self
                .known
                .iter()
                .find(|name| first.starts_with(name.as_str()));
            name.cloned().and_then(|name| found(Who::Named(name), 0.75))
        })
    }

    fn chinese(&mut self, word: &str, confidence: f32) -> Option<Found> {
        let places = CHINESE.iter().filter_map(|verb| word.find(verb));
        let mut name = &word[..places.min()?];
        while let Some(rest) = CHINESE_ADVERBS
            .iter()
            .find_map(|adverb| name.strip_suffix(adverb))
        {
            name = rest;
        }
        self.who(name, confidence)
    }

    fn who(&mut self, name: &str, confidence: f32) -> Option<Found> {
        let who = match name {
            "他" | "彼" => Who::Pronoun(Gender::Male),
            "她" | "彼女" => Who::Pronoun(Gender::Female),
            "我" | "私" | "僕" | "俺" => Who::Narrator,
            _ if (1..=6).contains(&name.chars().count()) => {
                self.known.insert(name.to_owned());
                Who::Named(name.to_owned())
            }
            _ => return None,
        };
        found(who, confidence)
    }
}

fn is_comma(token: &Token<'_>) -> bool {
    matches!(token.text, "，" | "、" | ",")
}

/// What stands before は or が, and after it.
fn split_particle(word: &str) -> Option<(&str, &str)> {
    let at = word.find(['は', 'が'])?;
    let after = at + 'は'.len_utf8();
    (at > 0).then(|| (&word[..at], &word[after..]))
}
