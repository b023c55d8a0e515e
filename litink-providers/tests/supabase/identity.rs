//! People by their tokens.

use std::{sync::Arc, time::Duration};

use hyper::Method;
use litink_core::{
    Actor, ErrorKind, UserId,
    identity::{Caller, Identity},
    testing::identity::Setup,
};
use litink_providers::{
    Secret,
    supabase::{IdentityOptions, SupabaseIdentity},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::project::{Auth, Fault, PUBLISHABLE, Project, SECRET, publishable_key};

/// The secret of the project's old tokens.
const JWT_SECRET: &str = "canary-jwt-secret-with-at-least-32-characters";

fn identity(project: &Project, options: IdentityOptions) -> SupabaseIdentity {
    SupabaseIdentity::new(&project.client(), publishable_key(), options)
}

/// How tokens are signed and verified.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// By a key pair, verified by the public key.
    KeyPair,
    /// By the old secret, which litink has.
    KnownSecret,
    /// By the old secret, which litink has not, so that the service is asked.
    Service,
}

impl Way {
    const ALL: [Self; 3] = [Self::KeyPair, Self::KnownSecret, Self::Service];

    fn identity(self, project: &Project) -> SupabaseIdentity {
        let options = match self {
            Self::KnownSecret => IdentityOptions::default().jwt_secret(Secret::new(JWT_SECRET)),
            _ => IdentityOptions::default(),
        };
        identity(project, options)
    }

    fn sign(self, project: &Project, claims: &Value) -> String {
        match self {
            Self::KeyPair => project.auth.sign(claims),
            _ => Auth::sign_hs256(claims),
        }
    }

    async fn setup(self) -> Setup {
        let project = Project::start().await;
        let users = [Uuid::new_v4(), Uuid::new_v4()];
        let good = users.map(|user| {
            let token = self.sign(&project, &project.auth.claims(user));
            (token, Actor::User(UserId(user)))
        });
        let claims = project.auth.claims(users[0]);
        let bad = wrong(&claims)
            .into_iter()
            .map(|(claims, code)| (self.sign(&project, &claims), code))
            .collect();
        Setup {
            identity: Arc::new(self.identity(&project)),
            good: good.to_vec(),
            bad,
            anonymous: None,
        }
    }
}

/// Claims that are not enough, and the code with which they are refused.
fn wrong(good: &Value) -> Vec<(Value, &'static str)> {
    let now = chrono::Utc::now().timestamp();
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let mut wrong = vec![(with("exp", json!(now - 31)), "expired_token")];
    for claims in [
        with("role", json!("service_role")),
        with("role", json!("anon")),
        with("role", json!("postgres")),
        with("aud", json!("anon")),
        with("aud", json!(["other"])),
        with("iss", json!("https://other.supabase.co/auth/v1")),
        with("iss", json!("supabase")),
        with("sub", json!("somebody")),
        with("sub", json!(null)),
        with("nbf", json!(now + 60)),
        with("exp", json!("never")),
        without("exp"),
        without("aud"),
        without("iss"),
        without("role"),
        without("sub"),
        json!({ "role": "service_role", "iss": "supabase", "exp": now + 1000 }),
    ] {
        wrong.push((claims, "bad_token"));
    }
    wrong
}

mod key_pair {
    litink_core::identity_conformance!(super::Way::KeyPair.setup().await);
}

mod known_secret {
    litink_core::identity_conformance!(super::Way::KnownSecret.setup().await);
}

mod service {
    litink_core::identity_conformance!(super::Way::Service.setup().await);
}

async fn code(identity: &SupabaseIdentity, token: &str) -> String {
    match identity.authenticate(Some(token)).await {
        Ok(_) => "good".into(),
        Err(error) => error.code().to_owned(),
    }
}

#[tokio::test]
async fn clocks_may_be_half_a_minute_apart() {
    let project = Project::start().await;
    let now = chrono::Utc::now().timestamp();
    for way in Way::ALL {
        let identity = way.identity(&project);
        for (name, at, expected) in [
            ("exp", now - 25, "good"),
            ("exp", now - 40, "expired_token"),
            ("nbf", now + 25, "good"),
            ("nbf", now + 40, "bad_token"),
        ] {
            let mut claims = project.auth.claims(Uuid::new_v4());
            claims[name] = json!(at);
            let token = way.sign(&project, &claims);
            let found = match identity.authenticate(Some(&token)).await {
                Ok(Caller { expires_at, .. }) => {
                    assert!(expires_at.unwrap() > chrono::Utc::now());
                    "good".to_owned()
                }
                Err(error) => error.code().to_owned(),
            };
            // The service of the tests allows a minute, as its crate does.
            assert_eq!(found, expected, "{way:?} {name} {}", at - now);
        }
    }
}

#[tokio::test]
async fn the_key_decides_the_algorithm_and_no_token_does() {
    let project = Project::start().await;
    let claims = project.auth.claims(Uuid::new_v4());
    let mut forged = project.auth.confused(&claims);
    let none = |algorithm: &str| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
        let header = json!({ "alg": algorithm, "typ": "JWT" }).to_string();
        format!(
            "{}.{}.",
            BASE64.encode(header),
            BASE64.encode(claims.to_string())
        )
    };
    forged.extend(["none", "None", "NONE", "HS512", "ES384", "RS256"].map(none));
    // A signature of somebody else's key pair, under the name of ours.
    let mut other = crate::project::Signer::new();
    let known = project.auth.sign(&claims);
    let header = jsonwebtoken::decode_header(&known).unwrap();
    other.id = header.kid.unwrap();
    forged.push(other.sign(&claims));
    for way in Way::ALL {
        let identity = way.identity(&project);
        for token in &forged {
            assert_eq!(code(&identity, token).await, "bad_token", "{way:?}");
        }
    }
}

#[tokio::test]
async fn keys_of_the_project_are_nobody() {
    let project = Project::start().await;
    for way in Way::ALL {
        let identity = way.identity(&project);
        let later = chrono::Utc::now().timestamp() + 3600;
        for key in [
            SECRET.to_owned(),
            PUBLISHABLE.to_owned(),
            Auth::sign_hs256(&json!({ "role": "service_role", "iss": "supabase", "exp": later })),
            Auth::sign_hs256(&json!({ "role": "anon", "iss": "supabase", "exp": later })),
        ] {
            assert_eq!(code(&identity, &key).await, "bad_token", "{way:?}");
        }
    }
}

#[tokio::test]
async fn keys_are_asked_for_once_and_again_when_they_change() {
    let project = Project::start().await;
    let options = IdentityOptions::default().ask_again(Duration::from_millis(200));
    let identity = identity(&project, options);
    let user = Uuid::new_v4();
    let token = || project.auth.sign(&project.auth.claims(user));
    let asked = || project.seen("jwks.json").len();
    let first = token();
    let all = futures::future::join_all((0..50).map(|_| code(&identity, &first)));
    assert!(all.await.iter().all(|code| code == "good"));
    assert_eq!(asked(), 1, "once, however many ask at once");
    tokio::time::sleep(Duration::from_millis(250)).await;
    project.auth.rotate(false);
    assert_eq!(code(&identity, &token()).await, "good", "the new key");
    assert_eq!(code(&identity, &first).await, "good", "the one before");
    assert_eq!(asked(), 2);
    // Unknown keys ask, but not each.
    tokio::time::sleep(Duration::from_millis(250)).await;
    for _ in 0..20 {
        let stranger = crate::project::Signer::new();
        let forged = stranger.sign(&project.auth.claims(user));
        assert_eq!(code(&identity, &forged).await, "bad_token");
    }
    assert!((3..=4).contains(&asked()), "{}", asked());
    // Revoked, they are refused as soon as the keys are asked for.
    tokio::time::sleep(Duration::from_millis(250)).await;
    project.auth.rotate(true);
    assert_eq!(code(&identity, &token()).await, "good");
    assert_eq!(code(&identity, &first).await, "bad_token");
}

#[tokio::test]
async fn known_keys_go_on_when_the_service_cannot_be_reached() {
    let project = Project::start().await;
    let options = IdentityOptions::default()
        .keep_keys(Duration::from_millis(1))
        .ask_again(Duration::from_millis(1));
    let identity = identity(&project, options);
    let token = project.auth.sign(&project.auth.claims(Uuid::new_v4()));
    let down = Fault::status(500, "<html>down</html>");
    project
        .faults
        .order(Method::GET, "jwks.json", 1, down.clone());
    let error = identity.authenticate(Some(&token)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(code(&identity, &token).await, "good");
    tokio::time::sleep(Duration::from_millis(10)).await;
    let before = project.seen("jwks.json").len();
    project.faults.order(Method::GET, "jwks.json", 1, down);
    assert_eq!(
        code(&identity, &token).await,
        "good",
        "by the keys that are known"
    );
    assert_eq!(project.seen("jwks.json").len(), before + 1);
    project.faults.order(
        Method::GET,
        "jwks.json",
        1,
        Fault::status(200, "<html>hello</html>"),
    );
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(code(&identity, &token).await, "good");
    // A hiccup is got over.
    tokio::time::sleep(Duration::from_millis(10)).await;
    project
        .faults
        .order(Method::GET, "jwks.json", 2, Fault::Cut);
    assert_eq!(code(&identity, &token).await, "good");
}

#[tokio::test]
async fn the_service_is_asked_about_tokens_of_the_old_secret() {
    let project = Project::start().await;
    let identity = identity(&project, IdentityOptions::default());
    let claims = project.auth.claims(Uuid::new_v4());
    let token = Auth::sign_hs256(&claims);
    assert_eq!(code(&identity, &token).await, "good");
    let seen = project.seen("/auth/v1/user");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].headers["apikey"], PUBLISHABLE);
    assert_eq!(seen[0].headers["x-supabase-api-version"], "2024-01-01");
    project.auth.sign_out(&token);
    assert_eq!(code(&identity, &token).await, "bad_token", "signed out");
    // What could not be true is not asked about.
    let before = project.seen("/auth/v1/user").len();
    for (claims, _) in wrong(&claims) {
        code(&identity, &Auth::sign_hs256(&claims)).await;
    }
    assert_eq!(project.seen("/auth/v1/user").len(), before);
    for (status, body, expected) in [
        (
            403,
            r#"{"code":"session_not_found","message":"m"}"#,
            "bad_token",
        ),
        (
            403,
            r#"{"code":403,"error_code":"session_expired","msg":"m"}"#,
            "expired_token",
        ),
        (
            401,
            r#"{"message":"Invalid API key"}"#,
            "supabase_key_refused",
        ),
        (500, "down", "supabase_unavailable"),
        (200, "<html>", "not_supabase"),
        (
            200,
            r#"{"id":"00000000-0000-0000-0000-000000000000"}"#,
            "bad_token",
        ),
    ] {
        project
            .faults
            .order(Method::GET, "/auth/v1/user", 1, Fault::status(status, body));
        let token = Auth::sign_hs256(&project.auth.claims(Uuid::new_v4()));
        assert_eq!(code(&identity, &token).await, expected, "{body}");
    }
}
