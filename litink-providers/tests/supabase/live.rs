//! A real project, where `LITINK_SUPABASE_URL`, `LITINK_SUPABASE_SECRET_KEY` and
//! `LITINK_SUPABASE_PUBLISHABLE_KEY` name one with litink's migrations and a bucket
//! (`LITINK_TEST_SUPABASE_BUCKET`, else `books`). What the cases make there is theirs alone; rows
//! stay. One on this machine: `SUPABASE_EXPERIMENTAL_STACK=1 npx supabase start`.

use std::{env, sync::Arc};

use litink_core::{
    identity::Identity,
    testing::{repository, storage},
};
use litink_providers::supabase::{
    IdentityOptions, PublishableKey, SecretKey, SupabaseClient, SupabaseConfig, SupabaseIdentity,
    SupabaseRepository, SupabaseStorage,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_real_project() {
    let Ok(url) = env::var("LITINK_SUPABASE_URL") else {
        eprintln!("0 live cases");
        return;
    };
    let set = |name: &str| env::var(name).unwrap_or_else(|_| panic!("set {name}, too"));
    let secret = set("LITINK_SUPABASE_SECRET_KEY");
    let secret = || SecretKey::parse(&secret).unwrap();
    let client = SupabaseClient::new(SupabaseConfig::new(&url).unwrap()).unwrap();
    repository::run_all(Arc::new(SupabaseRepository::new(&client, secret()))).await;
    let bucket = env::var("LITINK_TEST_SUPABASE_BUCKET").unwrap_or_else(|_| "books".into());
    let bytes = SupabaseStorage::new(&client, secret(), &bucket).unwrap();
    storage::run_all(Arc::new(bytes)).await;
    let publishable = PublishableKey::parse(&set("LITINK_SUPABASE_PUBLISHABLE_KEY")).unwrap();
    let identity = SupabaseIdentity::new(&client, publishable, IdentityOptions::default());
    for token in ["", "nonsense", "sb_secret_x"] {
        let error = identity.authenticate(Some(token)).await.unwrap_err();
        assert_eq!(error.code(), "bad_token");
    }
    let cases = repository::CASES.len() + storage::CASES.len() + 1;
    eprintln!("{cases} live cases");
}
