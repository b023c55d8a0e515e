//! `/api/v1/auth`

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use litink_core::{
    Error, ErrorKind, Result,
    accounts::{Accounts, PasswordChange, SignOut, Tokens, User},
};
use litink_providers::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    access::Authenticated,
    error::{ApiError, Problem},
    extract::Json,
    state::AppState,
};

mod throttle;

pub(super) fn router(state: &AppState) -> OpenApiRouter<AppState> {
    let throttled = OpenApiRouter::new()
        .routes(routes!(sign_up))
        .routes(routes!(sign_in))
        .routes(routes!(change_password))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            throttle::throttle,
        ));
    OpenApiRouter::new()
        .routes(routes!(refresh))
        .routes(routes!(sign_out))
        .routes(routes!(user))
        .merge(throttled)
        .layer(middleware::from_fn(unstored))
}

/// Tokens are kept by no cache on the way.
async fn unstored(request: Request, next: Next) -> Response {
    const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
    (NO_STORE, next.run(request).await).into_response()
}

fn accounts(state: &AppState) -> Result<&Arc<dyn Accounts>> {
    state.config.accounts.as_ref().ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "this server has no accounts; whoever runs it sets LITINK_ACCOUNTS to true",
        )
        .with_code("accounts_off")
    })
}

/// An address and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The address. Case and blanks around it do not matter.
    #[schema(format = Email)]
    email: String,
    /// The password: 8 to 256 characters.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshRequest {
    /// The newest one of the session. It is good once.
    #[schema(value_type = String, format = Password)]
    refresh_token: Secret,
}

/// Which sessions to end, and by which token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignOutRequest {
    /// `this` session, the `others`, or `all`. Default this.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^(this|others|all)$")]
    scope: SignOut,
    /// The session's refresh token, for who has no access token any more.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    refresh_token: Option<Secret>,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordRequest {
    /// The present one.
    #[schema(value_type = String, format = Password)]
    current_password: Secret,
    /// The one to come: 8 to 256 characters.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// What signing in gives.
#[derive(Serialize, ToSchema)]
struct TokensView {
    /// Show it as a bearer token.
    access_token: String,
    /// `bearer`.
    #[schema(example = "bearer")]
    token_type: String,
    /// For how many seconds it is good.
    expires_in: u64,
    /// Until when, in seconds since 1970.
    expires_at: i64,
    /// What to get the next tokens with. Good once; the one before is answered again for a moment.
    refresh_token: String,
    /// Who signed in.
    user: UserView,
}

impl From<Tokens> for TokensView {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: tokens.token_type,
            expires_in: tokens.expires_in,
            expires_at: tokens.expires_at,
            refresh_token: tokens.refresh_token,
            user: tokens.user.into(),
        }
    }
}

/// A user.
#[derive(Serialize, ToSchema)]
struct UserView {
    id: Uuid,
    #[schema(format = Email)]
    email: String,
    created_at: DateTime<Utc>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.into(),
            email: user.email,
            created_at: user.created_at,
        }
    }
}

/// Make an account and sign in.
#[utoipa::path(post, path = "/sign-up", tag = "auth", operation_id = "sign_up",
    request_body = Credentials, security(()),
    responses(
        (status = 201, description = "Signed in", body = TokensView),
        (status = 403, description = "Accounts are made by operators", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The address has an account", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "No address, or a weak password", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too often", body = Problem,
            content_type = "application/problem+json")))]
async fn sign_up(
    State(state): State<AppState>,
    Json(given): Json<Credentials>,
) -> Result<impl IntoResponse, ApiError> {
    let made = accounts(&state)?.sign_up(&given.email, given.password.reveal());
    let tokens = TokensView::from(made.await?);
    Ok((StatusCode::CREATED, axum::Json(tokens)))
}

/// Sign in. An address without an account is refused like a wrong password. After five wrong ones
/// the account is locked for a minute, then two, up to an hour.
#[utoipa::path(post, path = "/sign-in", tag = "auth", operation_id = "sign_in",
    request_body = Credentials, security(()),
    responses(
        (status = 200, description = "Signed in", body = TokensView),
        (status = 401, description = "Address or password are wrong", body = Problem,
            content_type = "application/problem+json"),
        (status = 403, description = "The account is disabled", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too often, or locked; `Retry-After` says for how long",
            body = Problem, content_type = "application/problem+json")))]
async fn sign_in(
    State(state): State<AppState>,
    Json(given): Json<Credentials>,
) -> Result<axum::Json<TokensView>, ApiError> {
    let signed_in = accounts(&state)?.sign_in(&given.email, given.password.reveal());
    Ok(axum::Json(signed_in.await?.into()))
}

/// Get the next tokens. A refresh token that is shown again later on ends its session: somebody
/// else may have it.
#[utoipa::path(post, path = "/refresh", tag = "auth", operation_id = "refresh_session",
    request_body = RefreshRequest, security(()),
    responses(
        (status = 200, description = "The next tokens", body = TokensView),
        (status = 401, description = "Not known, used before, or its session is over",
            body = Problem, content_type = "application/problem+json")))]
async fn refresh(
    State(state): State<AppState>,
    Json(given): Json<RefreshRequest>,
) -> Result<axum::Json<TokensView>, ApiError> {
    let next = accounts(&state)?.refresh(given.refresh_token.reveal());
    Ok(axum::Json(next.await?.into()))
}

/// End this session, the others, or all.
#[utoipa::path(post, path = "/sign-out", tag = "auth", operation_id = "sign_out",
    request_body = SignOutRequest,
    responses(
        (status = 204, description = "Ended"),
        (status = 401, description = "The token is not valid", body = Problem,
            content_type = "application/problem+json")))]
async fn sign_out(
    State(state): State<AppState>,
    caller: Result<Authenticated, ApiError>,
    Json(given): Json<SignOutRequest>,
) -> Result<StatusCode, ApiError> {
    let token = match given.refresh_token {
        Some(token) => token,
        None => token(caller?)?,
    };
    let ended = accounts(&state)?.sign_out(token.reveal(), given.scope);
    ended.await?;
    Ok(super::NO_CONTENT)
}

/// Who is signed in.
#[utoipa::path(get, path = "/user", tag = "auth", operation_id = "get_user",
    responses(
        (status = 200, description = "The user", body = UserView),
        (status = 401, description = "The token is not valid", body = Problem,
            content_type = "application/problem+json")))]
async fn user(
    State(state): State<AppState>,
    caller: Authenticated,
) -> Result<axum::Json<UserView>, ApiError> {
    let accounts = accounts(&state)?;
    let user = accounts.user(token(caller)?.reveal()).await?;
    Ok(axum::Json(user.into()))
}

/// Set another password. All other sessions end.
#[utoipa::path(put, path = "/user", tag = "auth", operation_id = "change_password",
    request_body = PasswordRequest,
    responses(
        (status = 204, description = "Changed"),
        (status = 401, description = "The token or the present password is not valid",
            body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A weak password, or the same", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too often, or locked", body = Problem,
            content_type = "application/problem+json")))]
async fn change_password(
    State(state): State<AppState>,
    caller: Authenticated,
    Json(given): Json<PasswordRequest>,
) -> Result<StatusCode, ApiError> {
    let accounts = accounts(&state)?;
    let token = token(caller)?;
    let change = PasswordChange {
        current: given.current_password.reveal(),
        new: given.password.reveal(),
    };
    accounts.change_password(token.reveal(), change).await?;
    Ok(super::NO_CONTENT)
}

/// The caller's own token. On an open server nobody shows one.
fn token(caller: Authenticated) -> Result<Secret> {
    caller.token.ok_or_else(|| {
        Error::new(
            ErrorKind::Unauthenticated,
            "an access token is needed here; sign in",
        )
        .with_code("missing_token")
    })
}
