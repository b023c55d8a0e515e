//! Rights that are taken away while somebody works: said, with what to do, and given back, all goes on.

use litink_core::{
    Actor, Error, ErrorKind, UserId,
    repository::{Commit, Repository},
};
use litink_providers::postgres::{PostgresDatabase, PostgresRepository};
use litink_tests::servers::{Rights, Seaweed};

use crate::{
    repository::{Fresh, add_one, counter, execute},
    runs::{Bench, Place, said, undisturbed},
};

#[tokio::test]
async fn postgres_that_takes_rights_away_says_which_are_needed() {
    let Some(fresh) = Fresh::new("rights").await else {
        return;
    };
    let admin = fresh.url();
    PostgresDatabase::open(admin.as_str()).await.unwrap();
    let role = format!("litink_rights_{}", std::process::id());
    let made = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT service_role, authenticated, anon TO {role}"
    );
    for sql in made.split("; ") {
        execute(&admin, sql).await;
    }
    let mut url = admin.clone();
    url.set_username(&role).unwrap();
    url.set_password(Some("pw")).unwrap();
    let open = async || PostgresDatabase::open(url.as_str()).await;
    let rows = PostgresRepository::new(open().await.unwrap());
    let (id, insert) = counter(UserId::random());
    rows.commit(Actor::Service, &Commit::new(vec![insert]))
        .await
        .unwrap();
    let add = async || {
        rows.commit(Actor::Service, &Commit::new(vec![add_one(id)]))
            .await
    };
    let cut =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'");
    let refused = |error: Error, code: &str| {
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
        assert_eq!(error.code(), code, "{error:?}");
    };
    let revoke = "REVOKE EXECUTE ON FUNCTION public.litink_commit_v1(jsonb) FROM service_role";
    execute(&admin, revoke).await;
    refused(add().await.unwrap_err(), "database_not_permitted");
    execute(
        &admin,
        &revoke.replace("REVOKE", "GRANT").replace("FROM", "TO"),
    )
    .await;
    assert_eq!(add().await.unwrap().changes[0].value, Some(1));

    execute(&admin, &format!("REVOKE service_role FROM {role}")).await;
    execute(&admin, &cut).await;
    refused(add().await.unwrap_err(), "database_not_permitted");
    refused(open().await.unwrap_err(), "database_not_prepared");
    execute(&admin, &format!("GRANT service_role TO {role}")).await;
    assert_eq!(add().await.unwrap().changes[0].value, Some(2));

    execute(&admin, &format!("ALTER ROLE {role} NOLOGIN")).await;
    execute(&admin, &cut).await;
    refused(add().await.unwrap_err(), "database_login_refused");
    refused(open().await.unwrap_err(), "database_login_refused");
    execute(&admin, &format!("ALTER ROLE {role} LOGIN")).await;
    assert_eq!(
        add().await.unwrap().changes[0].value,
        Some(3),
        "none was done twice"
    );
    drop(rows);
    execute(&admin, &cut).await;
    execute(&admin, &format!("DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_run_whose_key_may_only_read_says_so_and_goes_on_when_it_may_write() {
    let (Some(calm), Some(mut weed)) = (undisturbed().await, Seaweed::start()) else {
        return;
    };
    let storage = Some(weed.url(&weed.endpoint(), "rights"));
    let bench = Bench::new(Place {
        storage,
        database: None,
    })
    .unwrap();
    let mut run = bench.start();
    bench.until(calm.calls / 2, &mut run);
    weed.stop();
    weed.start_again(Rights::Read);
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let text = said(&output);
    assert!(
        text.contains("[storage_denied]") && text.contains("access key"),
        "{text}"
    );
    assert!(!text.contains("canary-secret"), "{text}");
    weed.stop();
    weed.start_again(Rights::All);
    let output = bench.make().output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    bench.made().await.is_the_same_work_as(&calm);
}
