//! Books: from a file to rows.

use std::{fs::File, io::Write, path::Path};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio_util::{io::ReaderStream, sync::CancellationToken};

use super::Engine;
use crate::{
    Actor, BookId, Error, ErrorKind, LOCAL_USER, Result, ResultExt, UserId,
    domain::{Book, BookState, Chapter, Meta, Visibility},
    ingest::{self, ParsedBook},
    ocr::{Ocr, OcrLine, PageImage},
    repository::{Change, MAX_CHANGES, Order, Page, Query, RepositoryExt},
    schema::Table,
    storage::{Area, ByteStream, Object, PutOptions, StorageExt, StorageKey},
};

/// What goes into one commit of an import, as JSON: a second or two over any network.
const BATCH_BYTES: usize = 4 << 20;

/// How to import a book.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ImportOptions {
    /// The name under which the file came, for its ending and as a title where there is none.
    pub file_name: String,
    /// Whose it becomes, where a service imports for somebody. A user imports for themselves.
    pub owner: Option<UserId>,
}

impl ImportOptions {
    /// For a file of this name.
    pub fn named(file_name: impl Into<String>) -> Self {
        Self {
            file_name: file_name.into(),
            owner: None,
        }
    }
}

/// A book that was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The book.
    pub book: Book,
    /// Whether the same file had been imported before, and nothing was done now.
    pub existing: bool,
}

/// Has pages read, as many at once as the reader likes; their lines in their order.
async fn recognise(
    ocr: &dyn Ocr,
    pages: &mut dyn Iterator<Item = Result<PageImage>>,
    dropped: &CancellationToken,
) -> Result<Vec<Vec<OcrLine>>> {
    let lines = stream::iter(pages)
        .map(|page| async move { ocr.recognise(page?).await.context("ocr", ocr.name()) })
        .buffered(ocr.concurrency().max(1))
        .try_collect();
    dropped
        .run_until_cancelled(lines)
        .await
        .unwrap_or_else(|| Err(Error::cancelled()))
}

impl Engine {
    /// Imports a file from a path.
    ///
    /// # Errors
    /// As [`Engine::import`]; [`ErrorKind::NotFound`] where there is no such file.
    pub async fn import_file(&self, actor: Actor, path: &Path) -> Result<Imported> {
        let named = |error: Error| error.with_context("file", path.display());
        let metadata = tokio::fs::metadata(path)
            .await
            .map_err(|e| named(e.into()))?;
        if metadata.is_dir() {
            return Err(named(Error::invalid(
                "not_a_file",
                "this is a folder; name a book file",
            )));
        }
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let file = tokio::fs::File::open(path)
            .await
            .map_err(|e| named(e.into()))?;
        let stream = ReaderStream::with_capacity(file, 256 * 1024)
            .map_err(Error::from)
            .boxed();
        self.import(actor, stream, ImportOptions::named(name))
            .await
            .map_err(named)
    }

    /// Imports a book: the original is kept, its text becomes chapters. The same file of the same
    /// owner is the same book, imported once.
    ///
    /// The file is spooled to a temporary file while it comes, never held in memory.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`], [`ErrorKind::Unsupported`] or [`ErrorKind::LimitExceeded`], with
    /// a code that says what is wrong with the file; nothing is stored then.
    pub async fn import(
        &self,
        actor: Actor,
        body: ByteStream,
        options: ImportOptions,
    ) -> Result<Imported> {
        let owner = actor.user().or(options.owner).unwrap_or(LOCAL_USER);
        let spooled = self.spool(body).await?;
        let id = Book::id_of(owner, &spooled.hash);
        let found = self.repository().find_optional::<Book>(actor, id).await?;
        if let Some(book) = found.filter(|book| book.state == BookState::Ready) {
            return Ok(Imported {
                book,
                existing: true,
            });
        }
        let parsed = self.parse(&options.file_name, &spooled).await?;
        let book = self
            .store_book(actor, owner, &options.file_name, &spooled, parsed)
            .await?;
        Ok(Imported {
            book,
            existing: false,
        })
    }

    async fn spool(&self, mut body: ByteStream) -> Result<Spooled> {
        let limit = self.options().limits.max_file_bytes;
        let mut spool = Spooled::create()?;
        while let Some(chunk) = body.try_next().await? {
            spool.bytes += chunk.len() as u64;
            if spool.bytes > limit {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    "the file is larger than a book may be; split it, or raise `max_file_bytes`",
                )
                .with_code("file_too_large")
                .with_context("limit_bytes", limit));
            }
            spool = spool.write(chunk).await?;
        }
        spool.hash = spool.hasher.finalize().to_hex().to_string();
        Ok(spool)
    }

    async fn parse(&self, name: &str, spooled: &Spooled) -> Result<ParsedBook> {
        let mut file = spooled.reopen()?;
        let (name, limits) = (name.to_owned(), self.options().limits.clone());
        let (ocr, runtime) = (self.inner.ocr.clone(), Handle::current());
        // Whoever waits no longer has no more pages read.
        let dropped = CancellationToken::new();
        let _guard = dropped.clone().drop_guard();
        let reading = move || {
            let recognise = ocr.map(|ocr| {
                move |pages: &mut dyn Iterator<Item = Result<PageImage>>| {
                    runtime.block_on(recognise(&*ocr, pages, &dropped))
                }
            });
            let recognise = recognise.as_ref().map(|it| it as &ingest::Recognise<'_>);
            ingest::read_with(Some(&name), &mut file, &limits, recognise)
        };
        tokio::task::spawn_blocking(reading)
            .await
            .map_err(|error| {
                Error::invalid(
                    "unreadable_book",
                    "the reader gave up on this file; please report it",
                )
                .with_source(error)
            })?
    }

    async fn store_book(
        &self,
        actor: Actor,
        owner: UserId,
        file_name: &str,
        spooled: &Spooled,
        parsed: ParsedBook,
    ) -> Result<Book> {
        let (mut book, chapters) = rows(owner, file_name, spooled, &parsed);
        let body =
            ReaderStream::with_capacity(tokio::fs::File::from_std(spooled.reopen()?), 256 * 1024);
        self.storage()
            .put(
                actor,
                &book.file_key,
                body.map_err(Error::from).boxed(),
                &PutOptions::default(),
            )
            .await?;
        if let Some(cover) = parsed.cover {
            let name = format!("cover.{}", extension(&cover.media_type));
            let key = StorageKey::new(owner, Area::Covers, book.meta.id, &name);
            let bytes = Bytes::from(cover.bytes);
            self.storage()
                .put_bytes(actor, &key, bytes, &cover.media_type)
                .await?;
            book.cover_key = Some(key);
        }
        let chapters: Vec<Change> = chapters.iter().map(Change::insert).collect::<Result<_>>()?;
        let bytes: usize = chapters.iter().map(Change::bytes).sum();
        if bytes > BATCH_BYTES || chapters.len() >= MAX_CHANGES {
            return self.store_in_batches(actor, book, chapters).await;
        }
        let mut changes = vec![Change::insert(&book)?];
        changes.extend(chapters);
        self.insert_once(actor, changes).await?;
        self.repository().find(actor, book.meta.id).await
    }

    /// Stores a book that is too large for one commit: it is `importing` until all chapters are
    /// there. Interrupted, the same import goes on with it.
    async fn store_in_batches(
        &self,
        actor: Actor,
        mut book: Book,
        chapters: Vec<Change>,
    ) -> Result<Book> {
        let id = book.meta.id;
        book.state = BookState::Importing;
        self.insert_once(actor, vec![Change::insert(&book)?])
            .await?;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for chapter in chapters {
            bytes += chapter.bytes();
            batch.push(chapter);
            if bytes > BATCH_BYTES || batch.len() == MAX_CHANGES {
                self.insert_once(actor, std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
        }
        self.insert_once(actor, batch).await?;
        let stored: Book = self.repository().find(actor, id).await?;
        if stored.state == BookState::Importing {
            let ready = Change::update(&stored, [("state", BookState::Ready.as_str().into())]);
            match self.repository().apply(actor, vec![ready]).await {
                Ok(_) => {}
                // Somebody who imports the same file at this moment was quicker.
                Err(error) if error.code() == "version_conflict" => {}
                Err(error) => return Err(error),
            }
        }
        self.repository().find(actor, id).await
    }

    /// Inserts rows whose ids say what they are: one that is there already is the same.
    async fn insert_once(&self, actor: Actor, changes: Vec<Change>) -> Result<()> {
        let one_by_one = match self.repository().apply(actor, changes.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() == "already_exists" => changes,
            Err(error) => return Err(error),
        };
        for change in one_by_one {
            match self.repository().apply(actor, vec![change]).await {
                Ok(_) => {}
                Err(error) if error.code() == "already_exists" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The book with this id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    pub async fn book(&self, actor: Actor, id: BookId) -> Result<Book> {
        self.repository().find(actor, id).await
    }

    /// One page of books, newest first.
    pub async fn books(
        &self,
        actor: Actor,
        after: Option<String>,
        limit: u32,
    ) -> Result<Page<Book>> {
        let mut query = Query::new(Table::Books).after(after).limit(limit);
        // Others' published books are read by id, not found among one's own.
        query.owner = actor.user();
        self.repository().page(actor, &query).await
    }

    /// All chapters of a book, in order, with their text or without.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such book.
    pub async fn chapters(&self, actor: Actor, book: BookId, text: bool) -> Result<Vec<Chapter>> {
        self.book(actor, book).await?;
        let mut query = Query::new(Table::Chapters)
            .parent(book)
            .order(Order::Position);
        query.heavy = text;
        self.repository().all(actor, query).await
    }

    /// Opens a book's cover, which whoever may read the book may see.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] (code `no_cover` where the book has none).
    pub async fn open_cover(&self, actor: Actor, id: BookId) -> Result<Object> {
        let book = self.book(actor, id).await?;
        let key = book.cover_key.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "this book has no cover").with_code("no_cover")
        })?;
        // The row decided; the bytes are the owner's, and only what the owner reaches.
        let owner = Actor::User(book.meta.owner);
        self.storage().get(owner, key, None).await
    }

    /// Removes a book with its chapters, runs and finished files. What was generated for it stays
    /// as its owner's, so that importing it again pays nothing twice.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    pub async fn delete_book(&self, actor: Actor, id: BookId) -> Result<()> {
        let book: Book = self.repository().find(actor, id).await?;
        let runs = self
            .repository()
            .all::<crate::domain::Run>(actor, Query::new(Table::Runs).parent(id))
            .await?;
        // Rows first: bytes without a row are only waste, a row without its bytes is a broken book.
        self.repository()
            .apply(
                actor,
                vec![Change::Delete {
                    table: Table::Books,
                    id: id.into(),
                    version: None,
                }],
            )
            .await?;
        let owner = book.meta.owner;
        for area in [Area::Books, Area::Covers] {
            let prefix = StorageKey::group_prefix(owner, area, id);
            self.storage().delete_prefix(actor, &prefix).await?;
        }
        for run in runs {
            for area in [Area::Exports, Area::Audio] {
                let prefix = StorageKey::group_prefix(owner, area, run.id());
                self.storage().delete_prefix(actor, &prefix).await?;
            }
        }
        Ok(())
    }
}

/// A file on its way in, in a temporary file that is gone when this is dropped.
#[derive(Debug)]
struct Spooled {
    file: File,
    hasher: Box<blake3::Hasher>,
    hash: String,
    bytes: u64,
}

impl Spooled {
    fn create() -> Result<Self> {
        let file = tempfile::tempfile()?;
        Ok(Self {
            file,
            hasher: Box::default(),
            hash: String::new(),
            bytes: 0,
        })
    }

    async fn write(mut self, chunk: Bytes) -> Result<Self> {
        let written = tokio::task::spawn_blocking(move || {
            self.hasher.update(&chunk);
            self.file.write_all(&chunk)?;
            Ok::<_, std::io::Error>(self)
        });
        Ok(written
            .await
            .map_err(|e| Error::internal("spooling stopped").with_source(e))??)
    }

    /// The file from its beginning. Handles share one position, so only one may be read at a time.
    fn reopen(&self) -> Result<File> {
        use std::io::{Seek, SeekFrom};
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

fn rows(
    owner: UserId,
    file_name: &str,
    spooled: &Spooled,
    parsed: &ParsedBook,
) -> (Book, Vec<Chapter>) {
    let id = Book::id_of(owner, &spooled.hash);
    let chapters: Vec<Chapter> = parsed
        .chapters
        .iter()
        .zip(0u32..)
        .map(|(chapter, position)| Chapter {
            meta: Meta::new(Chapter::id_of(id, position), owner),
            book_id: id,
            position,
            kind: chapter.kind,
            number: chapter.number,
            title: chapter.title.clone(),
            section: chapter.section.clone(),
            char_count: chapter
                .blocks
                .iter()
                .map(|b| b.text.chars().count() as u64)
                .sum(),
            blocks: chapter.blocks.clone(),
        })
        .collect();
    let stem = Path::new(file_name)
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let title = parsed
        .title
        .clone()
        .or(stem)
        .filter(|title| !title.trim().is_empty());
    let book = Book {
        meta: Meta::new(id, owner),
        state: BookState::Ready,
        title: title.unwrap_or_else(|| "Untitled".into()),
        authors: parsed.authors.clone(),
        language: parsed.language.clone(),
        identifier: parsed.identifier.clone(),
        publisher: parsed.publisher.clone(),
        published: parsed.published.clone(),
        description: parsed.description.clone(),
        format: parsed.format.as_str().to_owned(),
        file_name: file_name.to_owned(),
        file_key: StorageKey::new(owner, Area::Books, id, &format!("original-{file_name}")),
        file_bytes: spooled.bytes,
        content_hash: spooled.hash.clone(),
        cover_key: None,
        chapter_count: u32::try_from(chapters.len()).unwrap_or(u32::MAX),
        char_count: chapters.iter().map(|chapter| chapter.char_count).sum(),
        warnings: parsed.warnings.clone(),
        visibility: Visibility::Private,
        identifiers: parsed.identifiers.clone(),
        series: parsed.series.clone(),
        decisions: parsed.decisions.clone(),
    };
    (book, chapters)
}

/// The file ending of an image's media type.
pub(crate) fn extension(media_type: &str) -> &'static str {
    match media_type {
        "image/png" => "png",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "image/svg+xml" => "svg",
        _ => "jpg",
    }
}
