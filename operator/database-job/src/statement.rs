//! The SQL of a step. Pure.
//!
//! For the quoting of identifiers and strings see <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>.

use crate::step::ServerStep;

/// First major version with options of memberships.
const MEMBERSHIP_OPTIONS: u16 = 16;

/// Privileges on a table.
const ROWS: &str = "SELECT, INSERT, UPDATE, DELETE";

/// Privileges on a sequence.
const NUMBERS: &str = "USAGE, SELECT";

/// The schema of extensions, in which only administrators may create.
const EXTENSIONS: &str = "ras_extensions";

/// Fails if another role may create objects in a schema of the extension, and adds the schema to the search path of the
/// database.
const CHECK_EXTENSION: &str = "DECLARE place text; stranger text; path text;
    change text := pg_catalog.format('ALTER DATABASE %I SET search_path FROM CURRENT', pg_catalog.current_database());
    BEGIN
    FOR place IN SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = 'ras_extensions' OR nspname <> 'pg_catalog' AND nspname IN
        (SELECT schema FROM pg_catalog.pg_available_extension_versions WHERE name = pg_catalog.current_setting('ras.extension'))
    LOOP
        SELECT rolname INTO stranger FROM pg_catalog.pg_roles WHERE NOT rolsuper AND NOT pg_catalog.pg_has_role(oid, current_user,
            'MEMBER') AND pg_catalog.has_schema_privilege(oid, place, 'CREATE') LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'role % may create in the schema %', stranger, place USING ERRCODE = 'RAS01';
        END IF;
    END LOOP;
    SELECT pg_catalog.substr(setting, 13) INTO path FROM pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) AS setting
        WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND setting LIKE 'search_path=%';
    path := coalesce(nullif(path, ''), '\"$user\", public');
    IF pg_catalog.strpos(path, 'ras_extensions') = 0 THEN
        PERFORM pg_catalog.set_config('search_path', path || ', ras_extensions', true);
        EXECUTE change;
    END IF;
    END";

/// Our own SQLSTATE: another role may create objects in the schema of an extension.
pub const STRANGER: &str = "RAS01";

pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted string that means the same for every value of `standard_conforming_strings`.
pub fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!(" E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// Several statements are one transaction, because they are sent together; a database can only be created outside of one.
/// `comment` is the ownership comment, and `verifier` the SCRAM verifier of the password.
pub fn statement(step: &ServerStep, major: u16, comment: &str, verifier: &str) -> String {
    let grant = |owner: &str, member: &str| {
        let options = if major >= MEMBERSHIP_OPTIONS {
            " WITH INHERIT TRUE, SET TRUE"
        } else {
            ""
        };
        format!("GRANT {} TO {}{options}", identifier(owner), identifier(member))
    };
    match step {
        ServerStep::CreateRole { role } => format!(
            "CREATE ROLE {role} NOLOGIN; COMMENT ON ROLE {role} IS {}",
            literal(comment),
            role = identifier(role),
        ),
        ServerStep::ClaimRole { role } => format!("COMMENT ON ROLE {} IS {}", identifier(role), literal(comment)),
        ServerStep::JoinOwner { role, owner } => grant(owner, role),
        ServerStep::BecomeOwner { role, owner } => {
            format!("ALTER ROLE {} SET role = {}", identifier(role), literal(owner))
        }
        ServerStep::ActAsOwner { owner, admin } => grant(owner, admin),
        ServerStep::CreateDatabase { database, owner, utf8 } => format!(
            "CREATE DATABASE {} OWNER {}{}",
            identifier(database),
            identifier(owner),
            // Only template0 contains no text in another encoding.
            if *utf8 {
                " TEMPLATE template0 ENCODING 'UTF8'"
            } else {
                ""
            },
        ),
        ServerStep::ClaimDatabase { database } => {
            format!("COMMENT ON DATABASE {} IS {}", identifier(database), literal(comment))
        }
        ServerStep::AllowCreate { owner, .. } => {
            format!("GRANT USAGE, CREATE ON SCHEMA public TO {}", identifier(owner))
        }
        // Existing tables, and those that the owner creates later, for example in a migration after this Job.
        ServerStep::AllowUse { database, owner, user } => {
            let (database, owner, user) = (identifier(database), identifier(owner), identifier(user));
            let later = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public");
            format!(
                "GRANT CONNECT ON DATABASE {database} TO {user}; GRANT USAGE ON SCHEMA public TO {user}; GRANT {ROWS} ON ALL \
                 TABLES IN SCHEMA public TO {user}; GRANT {NUMBERS} ON ALL SEQUENCES IN SCHEMA public TO {user}; {later} \
                 GRANT {ROWS} ON TABLES TO {user}; {later} GRANT {NUMBERS} ON SEQUENCES TO {user}"
            )
        }
        ServerStep::CreateExtension { extension, .. } => create_extension(extension),
        ServerStep::SetPassword { role } => {
            format!("ALTER ROLE {} LOGIN PASSWORD {}", identifier(role), literal(verifier))
        }
    }
}

/// The script of an extension runs as the administrator, or as the server's superuser where the extension is trusted, and finds
/// functions and operators by the schema that it is created in. So that is one in which only administrators may create, and not
/// `public`, where the database's owner may put functions of the same name. Extensions that name a schema of their own are
/// created there, unless it is there already and somebody else's.
///
/// The schema is added to the path of the database, so that programs find what is in it. The owner may have written the path, so
/// it goes through `set_config` and never into a statement. Names are qualified, for the path is the owner's in between.
fn create_extension(extension: &str) -> String {
    format!(
        "CREATE SCHEMA IF NOT EXISTS {EXTENSIONS}; GRANT USAGE ON SCHEMA {EXTENSIONS} TO PUBLIC; SELECT \
         set_config('ras.extension', {name}, true); DO $ras$ {CHECK_EXTENSION} $ras$; SET LOCAL search_path = {EXTENSIONS}, pg_temp; \
         CREATE EXTENSION IF NOT EXISTS {extension}; SET LOCAL search_path = pg_catalog, pg_temp",
        name = literal(extension).trim_start(),
        extension = identifier(extension),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads one quoted identifier as PostgreSQL's lexer does, and returns the rest.
    fn read_identifier(text: &str) -> Option<(String, &str)> {
        let mut name = String::new();
        let mut rest = text.strip_prefix('"')?;
        loop {
            let end = rest.find('"')?;
            name.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(more) => {
                    name.push('"');
                    rest = more;
                }
                None => return Some((name, rest)),
            }
        }
    }

    /// Reads one quoted string, with or without escapes.
    fn read_literal(text: &str, conforming: bool) -> Option<(String, String)> {
        let text = text.trim_start();
        let (escapes, text) = match text.strip_prefix('E') {
            Some(text) => (true, text),
            None => (!conforming, text),
        };
        let mut characters = text.strip_prefix('\'')?.chars().peekable();
        let mut value = String::new();
        while let Some(character) = characters.next() {
            match character {
                '\\' if escapes => value.push(characters.next()?),
                '\'' if characters.peek() == Some(&'\'') => {
                    characters.next();
                    value.push('\'');
                }
                '\'' => return Some((value, characters.collect())),
                other => value.push(other),
            }
        }
        None
    }

    proptest! {
        #[test]
        fn a_quoted_name_is_one_name_whatever_it_holds(name in "[\"'\\\\; a-zä\\-/*$]{1,30}|\\PC{1,30}") {
            let quoted = identifier(&name);
            prop_assert_eq!(read_identifier(&quoted), Some((name, "")));
        }

        #[test]
        fn a_quoted_text_is_one_text_whatever_it_holds(text in "[\"'\\\\; a-zä\\-/*$]{0,30}|\\PC{0,30}") {
            for conforming in [true, false] {
                prop_assert_eq!(read_literal(&literal(&text), conforming), Some((text.clone(), String::new())));
            }
        }
    }

    #[test]
    fn no_step_can_take_anything_from_anyone() {
        let text = |name: &str| name.to_owned();
        let steps = [
            ServerStep::CreateRole { role: text("r") },
            ServerStep::ClaimRole { role: text("r") },
            ServerStep::JoinOwner {
                role: text("r"),
                owner: text("o"),
            },
            ServerStep::BecomeOwner {
                role: text("r"),
                owner: text("o"),
            },
            ServerStep::ActAsOwner {
                owner: text("o"),
                admin: text("a"),
            },
            ServerStep::CreateDatabase {
                database: text("d"),
                owner: text("o"),
                utf8: true,
            },
            ServerStep::ClaimDatabase { database: text("d") },
            ServerStep::AllowCreate {
                database: text("d"),
                owner: text("o"),
            },
            ServerStep::AllowUse {
                database: text("d"),
                owner: text("o"),
                user: text("u"),
            },
            ServerStep::CreateExtension {
                database: text("d"),
                extension: text("e"),
            },
            ServerStep::SetPassword { role: text("r") },
        ];
        for step in steps {
            // A new step must be added above, too.
            match &step {
                ServerStep::CreateRole { .. }
                | ServerStep::ClaimRole { .. }
                | ServerStep::JoinOwner { .. }
                | ServerStep::BecomeOwner { .. }
                | ServerStep::ActAsOwner { .. }
                | ServerStep::CreateDatabase { .. }
                | ServerStep::ClaimDatabase { .. }
                | ServerStep::AllowCreate { .. }
                | ServerStep::AllowUse { .. }
                | ServerStep::CreateExtension { .. }
                | ServerStep::SetPassword { .. } => {}
            }
            for major in [13, 15, 16, 18] {
                let statement = statement(&step, major, "comment", "verifier");
                if matches!(step, ServerStep::AllowUse { .. }) {
                    // Names of privileges contain forbidden words, so check that the step only grants.
                    for part in statement.split("; ") {
                        let gives = part.strip_prefix("ALTER DEFAULT PRIVILEGES FOR ROLE \"o\" IN SCHEMA public ");
                        assert!(gives.unwrap_or(part).starts_with("GRANT "), "{part}");
                        assert!(part.ends_with("TO \"u\""), "{part}");
                    }
                    continue;
                }
                for word in [
                    "DROP",
                    "REVOKE",
                    "OWNER TO",
                    "OWNED",
                    "RESET",
                    "RENAME",
                    "DELETE",
                    "UPDATE",
                    "TRUNCATE",
                    "NOSUPERUSER",
                ] {
                    assert!(!statement.contains(word), "{statement}");
                }
                assert_eq!(
                    statement.contains("NOLOGIN"),
                    matches!(step, ServerStep::CreateRole { .. }),
                    "{statement}"
                );
            }
        }
    }

    #[test]
    fn members_are_told_what_they_may_do_where_memberships_say_it() {
        let step = ServerStep::JoinOwner {
            role: "app_2".to_owned(),
            owner: "app".to_owned(),
        };
        assert_eq!(statement(&step, 15, "", ""), "GRANT \"app\" TO \"app_2\"");
        assert_eq!(
            statement(&step, 16, "", ""),
            "GRANT \"app\" TO \"app_2\" WITH INHERIT TRUE, SET TRUE"
        );
    }
}
