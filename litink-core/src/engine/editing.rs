//! A book's structure, changed by hand.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Engine;
use crate::{
    Actor, BookId, ChapterId, Error, Result,
    domain::{Book, BookState, Chapter},
    editing::{self, EDITED, Edit},
    repository::{Change, MAX_CHANGES, RepositoryExt, Row},
    schema::Table,
};

/// A book after it was changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edited {
    /// The book, at its new version.
    pub book: Book,
    /// Its chapters in order, without their text.
    pub chapters: Vec<Chapter>,
}

impl Engine {
    /// Changes the structure of a book: all edits in their order, or none.
    ///
    /// `version` is the version of the book ([`Book::meta`]) that the edits were made for; every
    /// change of the book or of its chapters by this method makes a new one. Edits that change
    /// nothing write nothing.
    ///
    /// What was made of the book stays: finished runs and their files are as they were, and a run
    /// on its way goes on with the book that it began with. A run that is begun after an edit is
    /// another run, in which chapters that were not changed cost nothing.
    /// Importing the file again does not undo edits.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for a book that is not the actor's;
    /// [`crate::ErrorKind::Conflict`] with code `version_conflict` where the book was changed in
    /// between, or `book_importing`; what [`editing::apply`] says;
    /// [`crate::ErrorKind::LimitExceeded`] (code `commit_too_large`) where chapters of more than
    /// 16 MiB would have to be written at once.
    pub async fn edit_book(
        &self,
        actor: Actor,
        id: BookId,
        version: u64,
        edits: &[Edit],
    ) -> Result<Edited> {
        let book = self.book(actor, id).await?;
        if actor.user().is_some_and(|user| user != book.meta.owner) {
            // Published: readable by all, changed by its owner.
            return Err(Error::not_found("book", id));
        }
        if book.state != BookState::Ready {
            return Err(importing(id));
        }
        if book.meta.version != version {
            return Err(changed(id).with_context("version", book.meta.version));
        }
        let mut chapters = self.chapters(actor, id, false).await?;
        self.load_texts(actor, &mut chapters, edits).await?;
        let (edited, after) = editing::apply(book.clone(), chapters.clone(), edits)?;
        let changes = changes(&book, &edited, &chapters, &after)?;
        if !changes.is_empty() {
            match self.repository().apply(actor, changes).await {
                Ok(_) => {}
                Err(error) if error.code() == "version_conflict" => {
                    return Err(changed(id).with_source(error));
                }
                Err(error) => return Err(error),
            }
        }
        let (book, chapters) = self.whole_book(actor, id, false).await?;
        Ok(Edited { book, chapters })
    }

    /// A book and all its chapters as they stood together, whoever edits it meanwhile.
    pub(super) async fn whole_book(
        &self,
        actor: Actor,
        id: BookId,
        text: bool,
    ) -> Result<(Book, Vec<Chapter>)> {
        let mut book = self.book(actor, id).await?;
        loop {
            let chapters = self.chapters(actor, id, text).await?;
            let again = self.book(actor, id).await?;
            if again.meta.version == book.meta.version {
                return Ok((book, chapters));
            }
            book = again;
        }
    }

    /// As text, what tells a book that was edited from what was imported: `None` for a book as its file has
    /// it, and so for everything that was begun before there were edits.
    pub(super) async fn structure(&self, actor: Actor, book: &Book) -> Result<Option<String>> {
        if !book.decisions.iter().any(|it| it.method == EDITED) {
            return Ok(None);
        }
        let chapters = self.chapters(actor, book.id(), false).await?;
        let chapters: Vec<_> = chapters.iter().map(line).collect();
        let structure = json!([book.title, book.authors, book.language, chapters]);
        Ok(Some(structure.to_string()))
    }

    /// Brings the text of those chapters that are merged or split.
    async fn load_texts(
        &self,
        actor: Actor,
        chapters: &mut [Chapter],
        edits: &[Edit],
    ) -> Result<()> {
        let needed: HashSet<_> = edits.iter().flat_map(Edit::texts).copied().collect();
        let mut needed: Vec<_> = chapters
            .iter_mut()
            .filter(|chapter| needed.contains(&chapter.id()))
            .collect();
        for batch in needed.chunks_mut(MAX_CHANGES) {
            let ids: Vec<_> = batch.iter().map(|chapter| chapter.meta.id).collect();
            let rows = self.repository().get(actor, Table::Chapters, &ids).await?;
            for (chapter, row) in batch.iter_mut().zip(rows) {
                let book = chapter.book_id;
                let row: Chapter = row
                    .map(Row::entity)
                    .transpose()?
                    .ok_or_else(|| changed(book))?;
                **chapter = row;
            }
        }
        Ok(())
    }
}

/// What a chapter is, without its text: chapters whose text differs differ in id or length.
fn line(chapter: &Chapter) -> Value {
    json!([
        chapter.meta.id,
        chapter.kind,
        chapter.number,
        chapter.title,
        chapter.section,
        chapter.char_count,
    ])
}

fn changes(
    book: &Book,
    edited: &Book,
    before: &[Chapter],
    after: &[Chapter],
) -> Result<Vec<Change>> {
    let known: HashMap<ChapterId, &Chapter> = before.iter().map(|it| (it.id(), it)).collect();
    let kept: HashSet<ChapterId> = after.iter().map(Chapter::id).collect();
    let mut changes = Vec::new();
    for chapter in before.iter().filter(|it| !kept.contains(&it.id())) {
        changes.push(Change::delete(chapter));
    }
    for chapter in after {
        match known.get(&chapter.id()) {
            None => changes.push(Change::insert(chapter)?),
            Some(before) if *before == chapter => {}
            Some(before) => changes.push(Change::update(*before, difference(before, chapter)?)),
        }
    }
    if changes.is_empty() && book == edited {
        return Ok(changes);
    }
    // First, so that who comes second learns it before anything else.
    let fence = Change::update(
        book,
        [
            ("title", json!(edited.title)),
            ("authors", json!(edited.authors)),
            ("language", json!(edited.language)),
            ("decisions", json!(edited.decisions)),
            ("chapter_count", json!(edited.chapter_count)),
            ("char_count", json!(edited.char_count)),
        ],
    );
    changes.insert(0, fence);
    Ok(changes)
}

/// The columns of a chapter that changed.
fn difference(before: &Chapter, after: &Chapter) -> Result<Vec<(&'static str, Value)>> {
    let mut set = Vec::new();
    let mut column = |name, changed: bool, value: Value| {
        if changed {
            set.push((name, value));
        }
    };
    column(
        "position",
        before.position != after.position,
        json!(after.position),
    );
    column("kind", before.kind != after.kind, json!(after.kind));
    column("number", before.number != after.number, json!(after.number));
    column("title", before.title != after.title, json!(after.title));
    column(
        "section",
        before.section != after.section,
        json!(after.section),
    );
    column(
        "char_count",
        before.char_count != after.char_count,
        json!(after.char_count),
    );
    if before.blocks != after.blocks {
        let blocks = serde_json::to_value(&after.blocks)
            .map_err(|error| Error::internal("blocks are JSON").with_source(error))?;
        set.push(("blocks", blocks));
    }
    Ok(set)
}

pub(super) fn importing(id: BookId) -> Error {
    Error::conflict("the book is still being imported; import the same file again to go on with it")
        .with_code("book_importing")
        .with_context("book", id)
}

fn changed(id: BookId) -> Error {
    Error::conflict(
        "the book was changed since it was read; read it again, look whether the edits still fit, \
         and send them with its new version",
    )
    .with_code("version_conflict")
    .with_context("book", id)
}
