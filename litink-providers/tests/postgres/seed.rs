//! `migrations/seed.sql` is what importing the example gives, and an account.

use std::{fmt::Write, path::Path, sync::Arc};

use litink_core::{
    Actor, LOCAL_USER, UserId,
    accounts::Accounts,
    cache::MemoryCache,
    domain::{Account, Book, Chapter, Entity},
    engine::Engine,
    repository::{Query, Repository, RepositoryExt},
    schema::Table,
};
use litink_migrations::POSTGRES_SEED;
use litink_providers::{
    Secret,
    accounts::{AccountOptions, LocalAccounts},
    postgres::{PostgresDatabase, PostgresRepository},
};
use serde_json::{Value, json};

use crate::server::{Fresh, run};

const EMAIL: &str = "reader@example.com";
const PASSWORD: &str = "read me a book";
/// The password's hash. Its salt is no secret, either.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$6QFEijsYgez/1ZMSE7lu0Q$p1cVOFCHyLoaw3nhvTozbKMQ9FCL4ZwsuJF7wmyw9WE";

const BOOK: &str = "../examples/books/the-lamplighters-map.txt";

const HEADER: &str = "\
-- Something to look at in a database for development: the example book of this project, published,
-- and an account to sign in with where accounts are on: reader@example.com, `read me a book`.
-- Never for a server that others reach: everybody knows this password.
--
-- Safe to repeat; what was changed since stays. Chapters are all that audiobooks are made of; the
-- book's original file is not among them. A test holds this file against the import of
-- examples/books/the-lamplighters-map.txt.
";

/// What importing gives.
async fn imported() -> (Book, Vec<Chapter>) {
    let engine = Engine::builder().build();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(BOOK);
    let user = Actor::User(LOCAL_USER);
    let mut book = engine.import_file(user, &path).await.unwrap().book;
    book.visibility = litink_core::domain::Visibility::Published;
    let chapters = chapters(&**engine.repository(), user, &book).await;
    (book, chapters)
}

async fn chapters(repository: &dyn Repository, actor: Actor, book: &Book) -> Vec<Chapter> {
    let mut found = Vec::new();
    for position in 0..book.chapter_count {
        let id = Chapter::id_of(book.id(), position);
        found.push(repository.find(actor, id).await.unwrap());
    }
    let query = Query::new(Table::Chapters).parent(book.id());
    let listed = repository.list(actor, &query).await.unwrap().items;
    assert_eq!(listed.len(), found.len());
    found
}

/// Without what the store sets.
fn row<E: Entity + serde::Serialize>(entity: &E) -> Value {
    let mut row = serde_json::to_value(entity).unwrap();
    for column in ["version", "created_at", "updated_at"] {
        row.as_object_mut().unwrap().remove(column);
    }
    row
}

async fn expected() -> String {
    let (book, chapters) = imported().await;
    let account = json!({
        "id": Account::id_of(EMAIL), "owner": LOCAL_USER, "state": "active", "email": EMAIL,
        "password_hash": HASH, "failures": 0,
    });
    let rows = [("accounts", account), ("books", row(&book))];
    let chapters = chapters.iter().map(|chapter| ("chapters", row(chapter)));
    let mut sql = HEADER.to_owned();
    for (table, row) in rows.into_iter().chain(chapters) {
        let row = serde_json::to_string_pretty(&row).unwrap();
        write!(
            sql,
            "\nINSERT INTO public.{table} SELECT * FROM jsonb_populate_record(null::public.{table}, \
             $seed$\n{row}\n$seed$) ON CONFLICT (id) DO NOTHING;\n"
        )
        .unwrap();
    }
    sql
}

#[tokio::test]
async fn the_seed_is_what_importing_the_example_gives() {
    let expected = expected().await;
    if expected != POSTGRES_SEED {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("seed.sql");
        std::fs::write(&path, expected).unwrap();
        panic!("migrations/seed.sql is not this: {}", path.display());
    }
}

#[tokio::test]
async fn the_seed_can_be_sown_twice_and_read_by_everybody() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let database = PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
    let mut connection = fresh.connect().await;
    let change = "update public.books set title = 'Changed since'";
    for statements in [POSTGRES_SEED, change, POSTGRES_SEED] {
        run(&mut connection, statements).await.unwrap();
    }
    let repository = Arc::new(PostgresRepository::new(database.clone()));
    let (book, chapters_expected) = imported().await;
    let reader = Actor::User(UserId::random());
    let sown: Book = repository.find(reader, book.id()).await.unwrap();
    assert_eq!(sown.title, "Changed since");
    assert_eq!(
        (sown.meta.version, sown.content_hash),
        (2, book.content_hash.clone())
    );
    let sown = chapters(&*repository, reader, &book).await;
    let rows = |chapters: &[Chapter]| chapters.iter().map(row).collect::<Vec<_>>();
    assert_eq!(rows(&sown), rows(&chapters_expected));

    let cache = Arc::new(MemoryCache::new());
    let secret = Secret::new("a secret of the tests, of 32 bytes and more");
    let accounts =
        LocalAccounts::new(repository, cache, &secret, AccountOptions::default()).unwrap();
    let tokens = accounts.sign_in(EMAIL, PASSWORD).await.unwrap();
    let user = accounts.user(&tokens.access_token).await.unwrap();
    assert_eq!(user.id, LOCAL_USER);
    accounts.sign_in(EMAIL, "another").await.unwrap_err();
    database.close().await;
}
