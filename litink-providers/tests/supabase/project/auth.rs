//! Tokens: signed by a key pair (ES256) or the old secret (HS256), and told whose they are.

use std::{collections::HashSet, sync::Mutex};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto::rust_crypto, decode, encode,
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{Answered, Asked, PUBLISHABLE, SECRET, json_answer, no_key};

pub(crate) const JWT_SECRET: &str = "canary-jwt-secret-with-at-least-32-characters";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Service,
    Anon,
    User(Uuid),
    Nobody,
}

/// A key pair that signs tokens.
pub(crate) struct Signer {
    pub(crate) id: String,
    key: EncodingKey,
    pub(crate) public: Value,
    point: Vec<u8>,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let _ = rust_crypto::DEFAULT_PROVIDER.install_default();
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let id = Uuid::new_v4().to_string();
        let [x, y] = [&point[1..33], &point[33..]].map(|half| URL_SAFE_NO_PAD.encode(half));
        Self {
            key: EncodingKey::from_ec_der(document.as_ref()),
            public: json!({
                "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "key_ops": ["verify"],
                "kid": id, "x": x, "y": y, "ext": true,
            }),
            id,
            point,
        }
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.clone());
        encode(&header, claims, &self.key).unwrap()
    }

    /// A token that says HS256 and takes the public key for the secret.
    pub(crate) fn confuse(&self, claims: &Value) -> Vec<String> {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.id.clone());
        let x = self.public["x"].as_str().unwrap().as_bytes();
        let whole = self.public.to_string();
        [&self.point[..], &self.point[1..], x, whole.as_bytes()]
            .map(|secret| encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap())
            .to_vec()
    }
}

pub(crate) struct Auth {
    pub(crate) issuer: String,
    signers: Mutex<Vec<Signer>>,
    /// Tokens whose session is over.
    over: Mutex<HashSet<String>>,
}

impl Auth {
    pub(super) fn new(url: &Url) -> Self {
        Self {
            issuer: format!("{}auth/v1", url.as_str()),
            signers: Mutex::new(vec![Signer::new()]),
            over: Mutex::default(),
        }
    }

    /// What a token of a person says.
    pub(crate) fn claims(&self, user: Uuid) -> Value {
        let now = chrono::Utc::now().timestamp();
        json!({
            "iss": self.issuer, "aud": "authenticated", "role": "authenticated", "sub": user,
            "iat": now, "exp": now + 3600, "session_id": Uuid::new_v4(), "aal": "aal1",
            "is_anonymous": false, "email": "a@example.com",
        })
    }

    /// Signed by the newest key pair.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.signers.lock().unwrap().last().unwrap().sign(claims)
    }

    /// Signed by the old secret.
    pub(crate) fn sign_hs256(claims: &Value) -> String {
        let _ = rust_crypto::DEFAULT_PROVIDER.install_default();
        let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
        encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
    }

    pub(crate) fn confused(&self, claims: &Value) -> Vec<String> {
        self.signers.lock().unwrap().last().unwrap().confuse(claims)
    }

    /// Adds a key pair, and removes those before where they are revoked.
    pub(crate) fn rotate(&self, revoke: bool) {
        let mut signers = self.signers.lock().unwrap();
        if revoke {
            signers.clear();
        }
        signers.push(Signer::new());
    }

    pub(crate) fn sign_out(&self, token: &str) {
        self.over.lock().unwrap().insert(token.to_owned());
    }

    pub(crate) fn role(&self, bearer: &str) -> Role {
        match bearer {
            SECRET => return Role::Service,
            PUBLISHABLE => return Role::Anon,
            _ => {}
        }
        let Some(claims) = self.verified(bearer) else {
            return Role::Nobody;
        };
        let sub = claims["sub"].as_str().and_then(|sub| sub.parse().ok());
        match (claims["role"].as_str(), sub) {
            (Some("service_role"), _) => Role::Service,
            (Some("anon"), _) => Role::Anon,
            (Some("authenticated"), Some(user)) => Role::User(user),
            _ => Role::Nobody,
        }
    }

    fn verified(&self, token: &str) -> Option<Value> {
        let _ = rust_crypto::DEFAULT_PROVIDER.install_default();
        if self.over.lock().unwrap().contains(token) {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        let key = match header.alg {
            Algorithm::HS256 => DecodingKey::from_secret(JWT_SECRET.as_bytes()),
            Algorithm::ES256 => {
                let signers = self.signers.lock().unwrap();
                let known = signers
                    .iter()
                    .find(|it| Some(&it.id) == header.kid.as_ref())?;
                let text = |name: &str| known.public[name].as_str().unwrap().to_owned();
                DecodingKey::from_ec_components(&text("x"), &text("y")).ok()?
            }
            _ => return None,
        };
        let mut validation = Validation::new(header.alg);
        validation.validate_aud = false;
        decode(token, &key, &validation)
            .ok()
            .map(|token| token.claims)
    }
}

pub(super) fn answer(auth: &Auth, path: &[&str], asked: &Asked) -> Answered {
    match (asked.method.as_str(), path) {
        ("GET", [".well-known", "jwks.json"]) => {
            let signers = auth.signers.lock().unwrap();
            let mut keys: Vec<Value> = signers.iter().map(|it| it.public.clone()).collect();
            // Of a kind that litink does not use: no fault.
            keys.push(json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "AA" }));
            keys.push(json!({ "kty": "new", "kid": "new" }));
            let mut answer = json_answer(200, &json!({ "keys": keys }));
            let age = "public, max-age=600".parse().unwrap();
            answer.headers_mut().insert("cache-control", age);
            answer
        }
        _ if !asked.has_key() => no_key(),
        ("GET", ["user"]) => match asked.role(auth) {
            Role::User(user) => json_answer(
                200,
                &json!({
                    "id": user, "aud": "authenticated", "role": "authenticated",
                    "email": "reader@example.com", "phone": "", "app_metadata": {},
                    "user_metadata": {}, "identities": [], "is_anonymous": false,
                    "created_at": "2026-01-01T00:00:00.123456Z",
                    "updated_at": "2026-01-01T00:00:00.123456Z",
                }),
            ),
            _ => refused(
                asked,
                403,
                "bad_jwt",
                "invalid JWT: unable to parse or verify signature",
            ),
        },
        ("GET", ["health"]) => json_answer(200, &json!({ "name": "GoTrue" })),
        _ => answer_404(),
    }
}

fn answer_404() -> Answered {
    super::answer(404, "404 page not found")
}

/// In the shape that was asked for.
fn refused(asked: &Asked, status: u16, code: &str, message: &str) -> Answered {
    let body = match asked.header("x-supabase-api-version") {
        Some("2024-01-01") => json!({ "code": code, "message": message }),
        _ => json!({ "code": status, "error_code": code, "msg": message }),
    };
    let mut answer = json_answer(status, &body);
    let headers = answer.headers_mut();
    headers.insert("x-sb-error-code", code.parse().unwrap());
    // By this, official clients know the shape.
    if let Some(version) = asked.headers.get("x-supabase-api-version") {
        headers.insert("x-supabase-api-version", version.clone());
    }
    answer
}
