//! The ornaments that stand between scenes.

/// Whether a paragraph is nothing but an ornament (`* * *`, `⁂`, `---`).
pub(crate) fn is_scene_break(text: &str) -> bool {
    let marks = text.chars().filter(|c| !c.is_whitespace());
    let mut count = 0;
    for mark in marks {
        count += 1;
        if count > 40 || !"*⁂•·~#—–-_=❦❧☙✦✧◆◇●○■□∗§+✻✽✿★☆⸻⁕※".contains(mark)
        {
            return false;
        }
    }
    count > 0
}
