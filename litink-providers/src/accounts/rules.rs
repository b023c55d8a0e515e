//! Which addresses and passwords are taken.

use litink_core::{Result, accounts::AccountError, domain::Account};

/// RFC 5321, 4.5.3.1, without the angle brackets.
const MAX_ADDRESS: usize = 254;
const MAX_LOCAL: usize = 64;
/// NIST SP 800-63B, 3.1.1: 8 at least, and room for a sentence. More would only cost time.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=256;

/// The address as it is kept, if it can be one.
pub(super) fn address(email: &str) -> Result<String> {
    let email = Account::normalized(email);
    let fits = email.len() <= MAX_ADDRESS
        && email.rsplit_once('@').is_some_and(|(local, domain)| {
            local.len() <= MAX_LOCAL && is_local(local) && is_domain(domain)
        });
    if fits {
        Ok(email)
    } else {
        Err(AccountError::EmailAddressInvalid.into())
    }
}

/// A dot-atom (RFC 5322, 3.2.3) with letters of any script (RFC 6531). Quoted names are not taken.
fn is_local(local: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c))
    };
    local.split('.').all(part)
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    domain.split('.').all(label)
}

/// Fails for a password that is too short, too long or the address itself.
pub(super) fn password(password: &str, email: &str) -> Result<()> {
    let length = password.chars().count();
    let why = if length < *PASSWORD.start() {
        "a password has 8 characters at least; choose a longer one"
    } else if length > *PASSWORD.end() {
        "a password has 256 characters at most; choose a shorter one"
    } else if Account::normalized(password) == email {
        "the password is the address, which others know; choose another"
    } else {
        return Ok(());
    };
    Err(AccountError::WeakPassword(why).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_normalized() {
        for (given, kept) in [
            (" Ada@Example.COM ", "ada@example.com"),
            ("a.b+c@x", "a.b+c@x"),
            ("jürgen@müller.example", "jürgen@müller.example"),
        ] {
            assert_eq!(address(given).unwrap(), kept);
        }
        for bad in [
            "",
            "a",
            "@",
            "a@",
            "@b",
            "a@b@c d",
            "a@@b",
            ".a@b",
            "a..b@c",
            "a@b..c",
            "a@-b",
            "a\u{200b}@b",
            "a\n@b",
            "a\0@b",
            "<a@b>",
            "\"a b\"@c",
            "a@[127.0.0.1]",
            &format!("{}@b", "a".repeat(65)),
            &format!("a@{}", "b.".repeat(200)),
        ] {
            let error = address(bad).unwrap_err();
            assert_eq!(error.code(), "email_address_invalid", "{bad:?}");
        }
    }

    #[test]
    fn passwords_have_8_to_256_characters() {
        for good in ["12345678", "пароль12", &"é".repeat(256)] {
            assert!(password(good, "a@b").is_ok(), "{good}");
        }
        for weak in ["", "1234567", "пароль1", &"x".repeat(257), " ADA@b.example"] {
            let error = password(weak, "ada@b.example").unwrap_err();
            assert_eq!(error.code(), "weak_password", "{weak}");
        }
    }
}
