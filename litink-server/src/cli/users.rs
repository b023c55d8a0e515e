//! `litink users`.

use std::{
    io::{BufRead, IsTerminal, Read},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use litink_core::{
    Error, Result,
    accounts::{Accounts, User},
    domain::AccountState,
};
use litink_providers::{Secret, Settings};

use super::{
    open,
    print::{self, say},
};

/// Add, list and disable the users of a server with accounts (LITINK_ACCOUNTS=true).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litink users add ada@example.com                     asks for the password
  litink users add ada@example.com < password-file
  litink users list --json")]
pub struct Users {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make an account. The password is asked for, or is the first line of the standard input.
    Add {
        /// The address to sign in with.
        email: String,
    },
    /// List the users, newest first.
    List {
        /// Print JSON, one a line.
        #[arg(long)]
        json: bool,
    },
    /// Let a user sign in no more, and end their sessions. What is theirs is kept.
    Disable {
        /// The user's address.
        email: String,
    },
    /// Let a user sign in again, and forget wrong passwords.
    Enable {
        /// The user's address.
        email: String,
    },
}

impl Users {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let engine = open(settings).await?;
        let accounts = litink_providers::accounts::open(settings, &engine)?;
        match self.what {
            What::Add { email } => {
                let password = tokio::task::spawn_blocking(password).await;
                let password = password
                    .map_err(|error| Error::internal("a thread ended").with_source(error))??;
                let user = accounts.create(&email, password.reveal()).await?;
                say!("added {} ({})", user.email, user.id);
                if !settings.accounts.enabled {
                    eprintln!(
                        "note: the server asks nobody who they are; set LITINK_ACCOUNTS=true"
                    );
                }
            }
            What::List { json } => list(&accounts, json).await?,
            What::Disable { email } => {
                let user = accounts.disable(&email).await?;
                say!("disabled {}", user.email);
            }
            What::Enable { email } => {
                let user = accounts.enable(&email).await?;
                say!("enabled {}", user.email);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(accounts: &dyn Accounts, json: bool) -> Result<()> {
    let mut after = None;
    loop {
        let page = accounts.users(after, 100).await?;
        for user in page.items {
            if json {
                print::json(&user)?;
            } else {
                say!("{}  {}{}", user.id, user.email, note(&user));
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

fn note(user: &User) -> &'static str {
    match user.state {
        AccountState::Active => "",
        _ => "  (disabled)",
    }
}

/// More than a password can have: a file that is none is not read whole.
const MAX_LINE: u64 = 8 << 10;

/// Asks for a password twice on a terminal; else takes the first line of the standard input.
fn password() -> Result<Secret> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let password = rpassword::prompt_password("Password: ")?;
        let again = rpassword::prompt_password("The same again: ")?;
        if password == again {
            return Ok(Secret::new(password));
        }
        return Err(Error::invalid(
            "passwords_differ",
            "the two passwords are not the same; try again",
        ));
    }
    let mut line = String::new();
    stdin.lock().take(MAX_LINE).read_line(&mut line)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}
