//! Functions of the database, called as PostgREST calls them: one transaction, in the role and with
//! the claims of the bearer.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgDatabaseError, types::Json};

use super::{Answered, Asked, Role, State, json_answer, no_key};

pub(super) async fn answer(state: &State, function: &str, asked: &Asked) -> Answered {
    if !asked.has_key() {
        return no_key();
    }
    let role = asked.role(&state.auth);
    let (name, claims) = match &role {
        Role::Service => ("service_role", json!({ "role": "service_role" })),
        Role::Anon => ("anon", json!({ "role": "anon" })),
        Role::User(user) => (
            "authenticated",
            json!({ "role": "authenticated", "sub": user }),
        ),
        Role::Nobody => {
            let body = json!({
                "code": "PGRST301", "details": null, "hint": null, "message": "JWT is invalid",
            });
            return json_answer(401, &body);
        }
    };
    if asked
        .header("content-profile")
        .is_some_and(|profile| profile != "public")
    {
        return json_answer(
            406,
            &json!({ "code": "PGRST106", "message": "Invalid schema" }),
        );
    }
    let rows = state.rows.as_ref().unwrap();
    let arguments = asked.json();
    match call(rows, name, &claims, function, &arguments).await {
        Ok(Some(value)) => json_answer(200, &value),
        Ok(None) => not_found(function),
        Err(sqlx::Error::Database(error)) => {
            let error: &PgDatabaseError = error.downcast_ref();
            let state = error.code();
            let body = json!({
                "code": state, "message": error.message(), "details": error.detail(),
                "hint": error.hint(),
            });
            json_answer(status(state, name), &body)
        }
        Err(_) => {
            let body = json!({
                "code": "PGRST001", "details": null, "hint": null,
                "message": "Database client error. Retrying the connection.",
            });
            json_answer(503, &body)
        }
    }
}

fn not_found(function: &str) -> Answered {
    let message = format!("Could not find the function public.{function} in the schema cache");
    let body =
        json!({ "code": "PGRST202", "details": "Searched.", "hint": null, "message": message });
    json_answer(404, &body)
}

/// `None` where there is no such function.
async fn call(
    rows: &PgPool,
    role: &str,
    claims: &Value,
    function: &str,
    arguments: &Value,
) -> sqlx::Result<Option<Value>> {
    let known: bool = sqlx::query_scalar(
        "SELECT count(*) = 1 FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
            AND proname = $1
            AND coalesce(proargnames, '{}') = ARRAY(SELECT jsonb_object_keys($2))",
    )
    .bind(function)
    .bind(Json(arguments))
    .fetch_one(rows)
    .await?;
    if !known {
        return Ok(None);
    }
    let mut transaction = rows.begin().await?;
    sqlx::query("SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true)")
        .bind(role)
        .bind(claims.to_string())
        .execute(&mut *transaction)
        .await?;
    let named = arguments.as_object().is_some_and(|named| !named.is_empty());
    let given = if named { "$1" } else { "" };
    // `max_rows` cuts the answers of functions, too, and is 1 here: litink's answer one value.
    let wanted = format!(
        "SELECT to_jsonb(answer) FROM public.{function}({given}) AS answer
            WHERE $1::jsonb IS NOT DISTINCT FROM $1 LIMIT 1"
    );
    let argument = arguments.get("request").unwrap_or(&Value::Null);
    let Json(value) = sqlx::query_scalar::<_, Json<Value>>(AssertSqlSafe(wanted))
        .bind(Json(argument))
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Some(value))
}

/// As PostgREST maps SQLSTATEs.
fn status(state: &str, role: &str) -> u16 {
    if let Some(status) = state.strip_prefix("PT") {
        return status.parse().unwrap_or(500);
    }
    match state {
        "42501" if role == "anon" => 401,
        "42501" => 403,
        "23505" | "23503" => 409,
        "42P01" | "42883" => 404,
        "25006" => 405,
        _ => match &state[..2] {
            "08" | "53" => 503,
            "22" | "23" | "P0" => 400,
            _ => 500,
        },
    }
}
