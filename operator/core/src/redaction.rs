//! Takes whatever looks like a credential out of a text that programs wrote, before it is kept or shown. Pure.
//!
//! The output of a failing container is the fastest help, and sometimes it contains a password. Credentials cannot be
//! distinguished from words for certain, so this rather removes too much.

#[cfg(test)]
mod tests;

use crate::plain_text::plain;

/// Stands for what was taken out.
pub const TAKEN_OUT: &str = "[redacted]";

/// Words that name a credential, in lower case. After such a word and a separator, the rest of the line is removed.
const NAMES: &[&str] = &[
    "passw",
    "passphrase",
    "passwd",
    "passcode",
    "pwd",
    "pword",
    "pw",
    "pass",
    "secret",
    "token",
    "credential",
    "authorization",
    "auth",
    "bearer",
    "apikey",
    "api_key",
    "api-key",
    "api key",
    "accesskey",
    "access_key",
    "access-key",
    "access key",
    "privatekey",
    "private_key",
    "private-key",
    "private key",
    "encryption_key",
    "encryption-key",
    "encryption key",
    "signing_key",
    "signing-key",
    "jwt",
    "cookie",
    "session",
    "dsn",
    "connectionstring",
    "connection string",
    "connection_string",
    "identified by",
    "salt",
    "signature",
    "accountkey",
    "master_key",
    "master-key",
    "masterkey",
    "from-literal",
];

/// Shortest run of letters and digits that may be a credential by its looks alone.
const SHORTEST: usize = 16;

/// Short flags whose value is a password, also right behind them: `mysql -phunter2`, `sqlcmd -P hunter2`, `-W hunter2`.
const SHORT_FLAGS: &[&str] = &["-p", "-P", "-W"];

/// The same where the value is a word of its own: `redis-cli -a hunter2`, `ldapsearch -w hunter2`.
const SPACED_FLAGS: &[&str] = &["-a", "-w"];

/// Flags whose value is `user:password`.
const USER_FLAGS: &[&str] = &["-u", "--user", "-U", "--proxy-user"];

/// What may stand before a word.
const OPENING: [char; 8] = ['"', '\'', '`', '(', '[', '{', ',', '='];

/// How tokens of well-known services begin.
const PREFIXES: &[&str] = &[
    "AKIA",
    "ASIA",
    "AGPA",
    "AIDA",
    "AROA",
    "ANPA",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "sk-",
    "sk_live_",
    "rk_live_",
    "eyJ",
    "hvs.",
    "dckr_pat_",
    "npm_",
    "AIza",
];

/// The meaning of the lines that follow a line.
#[derive(Clone, Copy)]
enum After {
    Free,
    /// The next line is a value: a prompt, or a name whose value was moved to the next line.
    Value {
        indent: usize,
    },
    /// A line with a deeper indent continues a value.
    Block {
        indent: usize,
    },
}

/// The text without whatever looks like a credential, and made [`plain`].
pub fn redacted(text: &str) -> String {
    let text = without_keys(&plain(text, usize::MAX));
    let mut lines: Vec<String> = Vec::new();
    let mut after = After::Free;
    for one in text.lines() {
        let bare = one.trim();
        let indent = one.len() - one.trim_start().len();
        let (is_value, block) = match after {
            _ if bare.is_empty() => (false, after),
            After::Value { indent: of } => (true, After::Block { indent: of }),
            After::Block { indent: of } if indent > of => (true, after),
            After::Free | After::Block { .. } => (false, After::Free),
        };
        lines.push(if is_value { TAKEN_OUT.to_owned() } else { line(one) });
        after = if bare.is_empty() || is_value && !asks(bare) {
            block
        } else if asks(bare) {
            After::Value { indent }
        } else if named(one).is_some() {
            After::Block { indent }
        } else {
            After::Free
        };
    }
    lines.dedup_by(|next, one| next == TAKEN_OUT && one == TAKEN_OUT);
    lines.join("\n")
}

/// The line ends where a value should follow: `Password:`, `PGPASSWORD=`, `"token":`, `--password`, `secret \\`, `password: |`.
fn asks(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let end = lower.trim_end_matches(['"', '\'', '`', '\\', ' ', '|', '>', '-', '+', '{', '[']);
    let last = end.rsplit(char::is_whitespace).next().unwrap_or_default();
    let is_flag = last.starts_with('-') && NAMES.iter().any(|name| last.contains(name)) && !last.contains(['=', ':']);
    let is_open = end.ends_with([':', '=']) || is_flag;
    is_open && NAMES.iter().any(|name| end.contains(name))
        || SHORT_FLAGS.iter().any(|flag| line.ends_with(&format!(" {flag}")))
}

/// The last lines of what a program said, without credentials, at most `most` characters.
///
/// `whole` is false when the text was cut at its beginning: what is left of its first line may be the end of a
/// credential whose name was cut off.
pub fn last_words(text: &str, whole: bool, most: usize) -> String {
    let text = if whole {
        text
    } else {
        text.split_once('\n').map_or("", |(_, rest)| rest)
    };
    let text = redacted(text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut words = String::new();
    for line in lines.iter().rev() {
        let candidate = if words.is_empty() {
            (*line).to_owned()
        } else {
            format!("{line} / {words}")
        };
        if candidate.chars().count() > most {
            break;
        }
        words = candidate;
    }
    match (words.is_empty(), lines.last()) {
        // The last line alone is too long: its beginning says most.
        (true, Some(line)) => line.chars().take(most.saturating_sub(1)).chain("…".chars()).collect(),
        _ => words,
    }
}

/// The text without PEM blocks, also those whose end or beginning is missing.
fn without_keys(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.contains("-----BEGIN") {
            inside = true;
        }
        if line.contains("-----END") {
            if !inside {
                // Its beginning was cut off, so all that stands before may be of it.
                kept.clear();
            }
            inside = false;
            kept.push(TAKEN_OUT);
        } else if !inside {
            kept.push(line);
        }
    }
    if inside {
        kept.push(TAKEN_OUT);
    }
    kept.join("\n")
}

fn line(line: &str) -> String {
    let (kept, cut) = match named(line) {
        Some(at) => (line.get(..at).unwrap_or_default(), true),
        None => (line, false),
    };
    let mut text = runs(&words(&addresses(&without_scheme(kept))));
    if cut {
        text.push_str(TAKEN_OUT);
    }
    text
}

/// Where a credential begins after its name, as in `password=…`, `"token": "…"`, `--secret …` or `PASSWORD '…'`.
fn named(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let named = NAMES.iter().filter_map(|name| after_name(&lower, name)).min();
    [named, prompted(&lower), identified(&lower)]
        .into_iter()
        .flatten()
        .min()
}

/// `Password for user app: …`.
fn prompted(lower: &str) -> Option<usize> {
    let begins = ["password for", "password of", "passphrase for", "passphrase of"];
    let begin = begins.into_iter().filter_map(|words| lower.find(words)).min()?;
    let colon = lower.get(begin..)?.find([':', '='])?;
    let value = begin + colon + 1;
    (!lower.get(value..)?.trim().is_empty()).then_some(value)
}

/// `IDENTIFIED WITH mysql_native_password BY …`.
fn identified(lower: &str) -> Option<usize> {
    let begin = lower.find("identified with")?;
    let by = lower.get(begin..)?.find(" by ")?;
    Some(begin + by + " by ".len())
}

fn after_name(lower: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = lower.get(from..).and_then(|rest| rest.find(name)) {
        let begin = from + found;
        let end = begin + name.len();
        if let Some(value) = value_after(lower, begin, end) {
            return Some(value);
        }
        from = end;
    }
    None
}

/// Where the value begins after a name that stands at `begin..end`, when one follows.
fn value_after(lower: &str, begin: usize, end: usize) -> Option<usize> {
    let rest = lower.get(end..)?;
    // `password_hash=`, `passwords:` and `secretAccessKey=` are names as well.
    let longer = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')));
    let tail = longer.unwrap_or(rest.len());
    let after = rest.get(tail..)?;
    let bare = after.trim_start_matches(['"', '\'', '`', ']', ')', '\\']);
    let spaced = bare.trim_start();
    let value = if let Some(value) = separated(after, bare) {
        value
    } else {
        let flag = lower
            .get(..begin)?
            .rsplit(|c: char| c.is_whitespace())
            .next()
            .is_some_and(|word| word.trim_start_matches(OPENING).starts_with('-'));
        let is_quoted = spaced.starts_with(['"', '\'', '`']) && spaced.len() < bare.len();
        let is_scheme = lower
            .get(begin..end)
            .is_some_and(|name| matches!(name, "bearer" | "identified by"));
        let follows = spaced.len() < bare.len() && (flag || is_quoted || is_scheme);
        if !follows {
            return None;
        }
        spaced
    };
    (!value.trim().is_empty()).then(|| lower.len() - value.len())
}

/// What follows a name and a sign that a value comes: `=` and `:` in all their spellings, `<password>…`, `password | …` of a table,
/// `"--password", "…"` of a list, `password is '…'`.
fn separated<'a>(after: &'a str, bare: &'a str) -> Option<&'a str> {
    let spaced = bare.trim_start();
    let is_quote = |c: char| matches!(c, '"' | '\'' | '`');
    if let Some(value) = spaced
        .strip_prefix(['=', ':', '|'])
        .or_else(|| bare.strip_prefix(['>', '\t']))
    {
        return Some(value);
    }
    let escaped = ["%3d", "%3a", "\\u003d", "\\u003a", "&#61;", "&#58;", "->"];
    if let Some(value) = escaped
        .into_iter()
        .find_map(|sign| after.trim_start().strip_prefix(sign))
    {
        return Some(value);
    }
    if let Some(next) = spaced.strip_prefix(',')
        && after.starts_with(is_quote)
        && next.trim_start().starts_with(is_quote)
    {
        return Some(next);
    }
    let told = ["is ", "was "].into_iter().find_map(|word| spaced.strip_prefix(word))?;
    let word = told.split_whitespace().next()?;
    (word.starts_with(is_quote) || word.contains(|c: char| c.is_ascii_digit())).then_some(told)
}

/// Takes user and password out of addresses: `postgres://user:password@host` becomes `postgres://[redacted]@host`.
fn addresses(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        text.push_str(before);
        text.push_str("://");
        // A password that was not escaped may hold a '/', an '@' or a blank: the last '@' of the line is sure to be
        // behind it.
        match after.rsplit_once('@') {
            Some((_, host)) => {
                text.push_str(TAKEN_OUT);
                text.push('@');
                rest = host;
            }
            None => rest = after,
        }
    }
    text.push_str(rest);
    text
}

/// Takes user and password out of addresses without a scheme, as in Go's `user:password@tcp(host)/db` and Oracle's
/// `user/password@host`.
fn without_scheme(line: &str) -> String {
    let is_open = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '=' | ',');
    if let Some((before, _)) = line.split_once("://") {
        // What follows is for `addresses`.
        let begin = before.rfind(is_open).unwrap_or_default();
        let (before, address) = line.split_at_checked(begin).unwrap_or((line, ""));
        return format!("{}{address}", without_scheme(before));
    }
    // A password may hold a blank or a quote, so all up to the address itself is taken out.
    let of_go = ["@tcp(", "@tcp6(", "@udp(", "@unix(", "@("];
    if let Some(end) = of_go.into_iter().filter_map(|words| line.rfind(words)).max() {
        let before = line.get(..end).unwrap_or_default();
        let mut at = 0;
        for token in before.split_inclusive(is_open) {
            let bare = token.trim_end_matches(is_open);
            if bare.contains(':') && !bare.ends_with(':') {
                let kept = before.get(..at).unwrap_or_default();
                return format!("{kept}{TAKEN_OUT}{}", line.get(end..).unwrap_or_default());
            }
            at += token.len();
        }
    }
    let mut text = String::with_capacity(line.len());
    for token in line.split_inclusive(is_open) {
        match token.rsplit_once('@') {
            Some((user, host)) if is_user(user, host) => {
                text.push_str(TAKEN_OUT);
                text.push('@');
                text.push_str(host);
            }
            _ => text.push_str(token),
        }
    }
    text
}

fn is_user(user: &str, host: &str) -> bool {
    // `image:1.0@sha256:…` is no user, and neither is `package/name@1.0`.
    if host.starts_with("sha256:")
        || !host.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '[' | '/' | '('))
    {
        return false;
    }
    let with_colon = user.split_once(':').is_some_and(|(_, password)| !password.is_empty());
    let with_slash = user
        .split_once('/')
        .is_some_and(|(name, password)| !name.is_empty() && !password.is_empty() && !name.contains(['.', '@']));
    with_colon || with_slash && !host.starts_with(|c: char| c.is_ascii_digit())
}

/// Takes out the values of short flags, those after `Basic`, and tokens that begin as those of well-known services.
fn words(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut before: &str = "";
    for token in line.split_inclusive(char::is_whitespace) {
        let word = token.trim_end();
        let space = token.get(word.len()..).unwrap_or_default();
        let bare = word.trim_start_matches(OPENING);
        // In a list of words: `["-p", "hunter2"]`.
        let alone = bare.trim_end_matches(['"', '\'', '`', ',']);
        let short = SHORT_FLAGS.iter().filter(|flag| alone.len() > flag.len());
        let user = ["--user=", "--proxy-user=", "-u"]
            .iter()
            .filter(|_| alone.contains(':'));
        let attached = short.chain(user).find(|flag| alone.starts_with(**flag));
        let is_value = (SHORT_FLAGS.contains(&before) || SPACED_FLAGS.contains(&before)) && !word.starts_with('-')
            || USER_FLAGS.contains(&before) && word.contains(':')
            || matches!(before.to_ascii_lowercase().as_str(), "basic" | "negotiate" | "digest") && is_encoded(word);
        let is_token = PREFIXES.iter().any(|prefix| {
            bare.strip_prefix(prefix)
                .is_some_and(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).count() >= 12)
        });
        match attached {
            _ if word.is_empty() => {}
            _ if is_value || is_token => text.push_str(TAKEN_OUT),
            Some(flag) => {
                text.push_str(flag);
                text.push_str(TAKEN_OUT);
            }
            None => text.push_str(word),
        }
        text.push_str(space);
        // `-p 'two words'`: what follows an open quote is of the value.
        let opens = |quote: char| word.matches(quote).count() % 2 == 1;
        if (is_value || attached.is_some()) && (opens('\'') || opens('"')) {
            return text;
        }
        if !word.is_empty() {
            before = alone;
        }
    }
    text
}

fn is_encoded(word: &str) -> bool {
    word.len() >= 8
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "+/=_-".contains(c))
        && word
            .chars()
            .any(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '=')
}

/// Takes out long runs of letters and digits that no word looks like.
fn runs(line: &str) -> String {
    let is_of_run = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-');
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(begin) = rest.find(is_of_run) {
        let (before, at_run) = rest.split_at(begin);
        let end = at_run.find(|c| !is_of_run(c)).unwrap_or(at_run.len());
        let (run, after) = at_run.split_at(end);
        text.push_str(before);
        text.push_str(if looks_random(run) || hides_user(run) {
            TAKEN_OUT
        } else {
            run
        });
        rest = after;
    }
    text.push_str(rest);
    text
}

/// Whether this is `user:password` in base64, as HTTP sends it.
fn hides_user(run: &str) -> bool {
    let digits = run.trim_end_matches('=');
    if digits.len() < 6 || digits.contains('=') {
        return false;
    }
    let mut text = String::new();
    let (mut bits, mut count) = (0_u32, 0_u32);
    for c in digits.bytes() {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            _ => 63,
        };
        bits = (bits << 6 | u32::from(digit)) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            match char::from_u32(bits >> count & 0xFF) {
                Some(c) if c.is_ascii_graphic() => text.push(c),
                _ => return false,
            }
        }
    }
    text.split_once(':')
        .is_some_and(|(user, password)| !user.is_empty() && !password.is_empty())
}

/// True if letters and digits alternate as often as in random text. They do not in words, numbers and dates.
fn looks_random(run: &str) -> bool {
    let plain: Vec<char> = run.chars().filter(char::is_ascii_alphanumeric).collect();
    if plain.len() < SHORTEST {
        return false;
    }
    let has_digit = plain.iter().any(char::is_ascii_digit);
    let has_letter = plain.iter().any(char::is_ascii_alphabetic);
    let is_hex = plain.iter().all(char::is_ascii_hexdigit);
    if is_hex && has_digit && has_letter {
        return true;
    }
    let class = |c: &char| (c.is_ascii_digit(), c.is_ascii_uppercase());
    let changes = plain
        .windows(2)
        .filter(|pair| pair.first().map(class) != pair.last().map(class))
        .count();
    // A secret key of AWS has 40 characters.
    let has_both = plain.iter().any(char::is_ascii_uppercase) && plain.iter().any(char::is_ascii_lowercase);
    plain.len() >= 36 && has_digit && has_both && changes * 10 >= plain.len() - 1
        || changes * 10 >= (plain.len() - 1) * 3
}
