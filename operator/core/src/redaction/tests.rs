use proptest::prelude::*;

use super::*;

#[test]
fn what_helps_stays() {
    for text in [
        "FATAL: password authentication failed for user \"owner\"",
        "ERROR: relation \"applications\" already exists",
        "could not connect to server: Connection refused (placements-database:5432)",
        "Migration V20260701__add_user2_table.sql failed",
        "20260701120000_create_applications.sql: syntax error at or near \"CREAT\"",
        "java.lang.IllegalArgumentException: bad column",
        "see https://example.edu/docs/migrations#failed for help",
        "permission denied for schema public",
        "mail to admin@example.edu was not sent",
        "pull registry.example.com/portal:1.0@sha256:0 failed",
        "git@github.com:org/repo.git: not found",
        "ERROR: syntax error\n  at or near \"x\"\n  LINE 1",
        "node_modules/@angular/core@17.0.1 is missing",
        "the password is wrong",
        "its token was refused by https://id.example.edu/realms/x",
        "1 | users | app",
        "usage: tool [-a] [-w]",
    ] {
        assert_eq!(redacted(text), text);
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table: one row a form")]
fn credentials_go() {
    for (text, kept) in [
        (
            "dial postgres://app:hunter2@db:5432/x",
            "dial postgres://[redacted]@db:5432/x",
        ),
        ("amqp://u:p@ss/w@rd@mq/", "amqp://[redacted]@mq/"),
        ("DB_PASSWORD=hunter2 DB_HOST=db", "DB_PASSWORD=[redacted]"),
        (
            r#"{"level":"error","password" : "hunter2"}"#,
            r#"{"level":"error","password" :[redacted]"#,
        ),
        ("Authorization: Bearer abc", "Authorization:[redacted]"),
        ("sent Bearer abc", "sent Bearer [redacted]"),
        ("psql --password hunter2 db", "psql --password [redacted]"),
        (
            "STATEMENT: ALTER ROLE app PASSWORD 'hunter2'",
            "STATEMENT: ALTER ROLE app PASSWORD [redacted]",
        ),
        (
            "CREATE USER x IDENTIFIED BY 'hunter2'",
            "CREATE USER x IDENTIFIED BY [redacted]",
        ),
        ("key 9f86d081884c7d659a2feaa0c55ad015 refused", "key [redacted] refused"),
        ("got kX9vQ2mT7bL4nR8wZ3cY", "got [redacted]"),
        ("id 7f2c1d3e-4b5a-4c6d-8e7f-9a0b1c2d3e4f", "id [redacted]"),
        (
            "a\n-----BEGIN PRIVATE KEY-----\nMIIE\nabc\n-----END PRIVATE KEY-----\nb",
            "a\n[redacted]\nb",
        ),
        ("a\n-----BEGIN PRIVATE KEY-----\nMIIE", "a\n[redacted]"),
        ("MIIE\nabc\n-----END PRIVATE KEY-----\nb", "[redacted]\nb"),
        (
            "dial app:hunter2@tcp(db:3306)/x: refused",
            "dial [redacted]@tcp(db:3306)/x: refused",
        ),
        (
            "error: app:hun ter@2@tcp(db:3306)/x",
            "error: [redacted]@tcp(db:3306)/x",
        ),
        ("connect app:hunter2@db:5432/x", "connect [redacted]@db:5432/x"),
        ("sqlplus scott/hunter2@orcl", "sqlplus [redacted]@orcl"),
        ("Password:\nhunter2\nwrong", "Password:\n[redacted]\nwrong"),
        (
            "Password for user app:\n\nhunter2",
            "Password for user app:\n\n[redacted]",
        ),
        ("Password for user app: hunter2", "Password for user app:[redacted]"),
        ("Password:\nPassword:\nhunter2", "Password:\n[redacted]"),
        ("PGPASSWORD=\nhunter2", "PGPASSWORD=\n[redacted]"),
        (
            "psql --password \\\n  hunter2 db\nx",
            "psql --password [redacted]\n[redacted]\nx",
        ),
        (
            "password: |\n  hunter2\n  more\nuser: x",
            "password:[redacted]\n[redacted]\nuser: x",
        ),
        (
            "{\n \"credentials\": {\n  \"value\": \"hunter2\"\n },\n \"a\": 1",
            "{\n \"credentials\":[redacted]\n[redacted]\n },\n \"a\": 1",
        ),
        ("mysql -uroot -phunter2 app", "mysql -uroot -p[redacted] app"),
        ("mysql -p hunter2 app", "mysql -p [redacted] app"),
        ("mysql -p'two words' app", "mysql -p[redacted] "),
        ("psql -W hunter2 app", "psql -W [redacted] app"),
        ("psql -W\nhunter2", "psql -W\n[redacted]"),
        ("curl -u app:hunter2 x", "curl -u [redacted] x"),
        ("sent Basic YXBwOmh1bnRlcjI= to x", "sent Basic [redacted] to x"),
        ("id AKIAIOSFODNN7EXAMPLE denied", "id [redacted] denied"),
        ("got wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "got [redacted]"),
        (
            "IDENTIFIED WITH mysql_native_password BY 'hunter2'",
            "IDENTIFIED WITH mysql_native_password BY [redacted]",
        ),
        ("pass\u{200b}word=hunter2", "password=[redacted]"),
        ("\u{1b}[1mPassword\u{1b}[0m: hunter2", "Password:[redacted]"),
        ("<password>hunter2</password>", "<password>[redacted]"),
        ("password=>hunter2", "password=[redacted]"),
        ("password -> hunter2", "password ->[redacted]"),
        ("?next=%2F&password%3Dhunter2", "?next=%2F&password%3D[redacted]"),
        (r"db?password\u003dhunter2", r"db?password\u003d[redacted]"),
        (" password | hunter2", " password |[redacted]"),
        ("password\thunter2", "password\t[redacted]"),
        ("its password is 'hunter'", "its password is [redacted]"),
        ("its password is hunter2", "its password is [redacted]"),
        (
            "Command '['psql', '--password', 'hunter2']' failed",
            "Command '['psql', '--password',[redacted]",
        ),
        ("[(\"password\", \"hunter2\")]", "[(\"password\",[redacted]"),
        (
            r#"exec: ["mysql", "-p", "hunter2"]"#,
            r#"exec: ["mysql", "-p", [redacted]"#,
        ),
        (r#"["curl", "-u", "app:hunter2"]"#, r#"["curl", "-u", [redacted]"#),
        ("curl -uapp:hunter2 x", "curl -u[redacted] x"),
        ("curl --user=app:hunter2 x", "curl --user=[redacted] x"),
        ("redis-cli -a hunter2 ping", "redis-cli -a [redacted] ping"),
        ("ldapsearch -w hunter2 x", "ldapsearch -w [redacted] x"),
        (
            "create secret generic a --from-literal=k=hunter2",
            "create secret generic a --from-literal=[redacted]",
        ),
        (
            "dial app:hunter2@tcp(db:3306)/x: see https://docs.example.edu/x",
            "dial [redacted]@tcp(db:3306)/x: see https://docs.example.edu/x",
        ),
        (
            "connect app:hunter2@db:5432/x, see https://docs.example.edu",
            "connect [redacted]@db:5432/x, see https://docs.example.edu",
        ),
        ("header YXBwOmh1bnRlcjI= refused", "header [redacted] refused"),
        ("header dXNlcjpwYXNz refused", "header [redacted] refused"),
        ("mysql://root:hunter2@db/x", "mysql://[redacted]@db/x"),
        ("--password=hunter2", "--password=[redacted]"),
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=[redacted]"),
        ("jdbc:oracle:thin:scott/hunter2@//db:1521/x", "[redacted]@//db:1521/x"),
        (
            "AccountName=a;AccountKey=aGVsbG8gd29ybGQ=;x",
            "AccountName=a;AccountKey=[redacted]",
        ),
    ] {
        assert_eq!(redacted(text), kept, "{text}");
    }
}

#[test]
fn the_last_lines_are_kept_and_a_first_one_that_was_cut_is_not() {
    let long = format!("tail-of-a-password\n{}\nlast but one\nlast", "x ".repeat(300));
    assert_eq!(last_words(&long, false, 40), "last but one / last");
    assert_eq!(last_words("hunter2", false, 40), "");
    assert_eq!(last_words("", true, 40), "");
    let one = last_words(&"word ".repeat(100), true, 40);
    assert_eq!(one.chars().count(), 40);
    assert!(one.ends_with('…'));
}

/// A value that nothing else in the text can look like.
fn value() -> impl Strategy<Value = String> {
    r"[^\s\r\n\x0b\x0c\x1c-\x1f\u{85}\u{2028}\u{2029}]{6,40}"
}

proptest! {
    #[test]
    fn no_value_after_its_name_is_shown(
        before in "[ -~]{0,40}",
        name in prop::sample::select(vec!["password", "DB_PASSWORD", "secret", "apiKey", "access_token", "client-secret", "PGPASSWORD"]),
        sign in prop::sample::select(vec!["=", ": ", " = ", "\": \"", "='"]),
        value in value(),
        after in "[ -~]{0,40}",
    ) {
        prop_assume!(!before.contains(&value) && !after.contains(&value));
        let shown = redacted(&format!("{before} {name}{sign}{value} {after}"));
        prop_assert!(!shown.contains(&value), "{shown}");
    }

    #[test]
    fn no_password_in_an_address_is_shown(
        before in "[ -~]{0,40}",
        scheme in "[a-z]{2,12}",
        user in "[a-z]{0,8}",
        password in value(),
        host in "[a-z.]{1,20}",
    ) {
        prop_assume!(!before.contains(&password) && !host.contains(&password));
        let shown = redacted(&format!("{before} {scheme}://{user}:{password}@{host}:5432/db"));
        prop_assert!(!shown.contains(&password), "{shown}");
    }

    #[test]
    fn no_value_on_the_line_after_its_name_is_shown(
        before in "[ -~]{0,40}",
        name in prop::sample::select(vec!["Password:", "PGPASSWORD=", "Enter the secret:", "--password", "\"token\":", "api_key = "]),
        blank in prop::sample::select(vec!["\n", "\r\n", "\n\n", "\n    "]),
        value in value(),
    ) {
        prop_assume!(!before.contains(&value));
        let shown = redacted(&format!("{before} {name}{blank}{value}\nlast"));
        prop_assert!(!shown.contains(&value), "{shown}");
    }

    #[test]
    fn no_password_of_a_dsn_without_scheme_is_shown(
        user in "[a-z]{1,8}",
        password in "[!-~&&[^\"'`<=,]]{6,20}",
        host in prop::sample::select(vec!["tcp(db:3306)/x", "unix(/s)/x", "db.example.edu:5432/x"]),
    ) {
        prop_assume!(!host.contains(&password));
        let shown = redacted(&format!("dial {user}:{password}@{host}: refused"));
        prop_assert!(!shown.contains(&password), "{shown}");
    }

    #[test]
    fn nothing_of_it_panics_and_the_length_is_bounded(text in any::<String>(), whole in any::<bool>(), most in 1_usize..400) {
        prop_assert!(last_words(&text, whole, most).chars().count() <= most);
    }
}
