//! Plans against a model of a server.

mod random;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ras_core::database::report::Cause;
use ras_core::database::request::{Database, Drive, Login, Request};

use self::random::{any_request, any_server};
use super::server::take;
use crate::ownership::ownership_comment;
use crate::plan::plan;
use crate::snapshot::{DatabaseSnapshot, Role, ServerSnapshot};
use crate::step::ServerStep;

fn drive(name: &str, uid: &str) -> Drive {
    Drive {
        namespace: "placements".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
    }
}

fn database(name: &str, owner: &str) -> Database {
    Database {
        name: name.to_owned(),
        owner: owner.to_owned(),
        user: None,
        extensions: Vec::new(),
    }
}

fn login(role: &str, owner: &str) -> Login {
    Login {
        role: role.to_owned(),
        owner: owner.to_owned(),
        password_file: format!("{owner}/password"),
        in_url: false,
    }
}

fn request(databases: Vec<Database>, logins: Vec<Login>) -> Request {
    Request {
        drive: drive("spring", "1"),
        minimum_version: None,
        sslmode: None,
        host_in_no_url: false,
        databases,
        logins,
    }
}

/// One of the request's passwords works for `role`, or for a login that works as it.
fn is_opened(request: &Request, observed: &ServerSnapshot, role: &str) -> bool {
    let mut logins = request.logins.iter();
    logins.any(|login| {
        let works = observed.roles.get(&login.role).and_then(|seen| seen.login_works) == Some(true);
        works && (login.role == role || login.owner == role)
    })
}

fn empty_server(is_superuser: bool) -> ServerSnapshot {
    ServerSnapshot {
        major: 15,
        admin: "adm".to_owned(),
        is_superuser,
        is_utf8: true,
        ..ServerSnapshot::default()
    }
}

/// Plans and executes until the plan is empty. Panics if it never is.
fn carry_out(request: &Request, observed: &mut ServerSnapshot) -> Vec<ServerStep> {
    let mut taken = Vec::new();
    for _ in 0..4 {
        let steps = plan(request, observed).steps;
        if steps.is_empty() {
            return taken;
        }
        for step in steps {
            take(&step, observed, request).expect("a server takes each step");
            taken.push(step);
        }
    }
    panic!("there is no end to it: {taken:?}");
}

proptest! {
    #[test]
    fn whatever_is_there_a_plan_leads_to_what_is_asked_and_then_there_is_no_more_to_do(
        request in any_request(),
        mut server in any_server(),
    ) {
        prop_assume!(request.problems().is_empty());
        carry_out(&request, &mut server);
        let after = plan(&request, &server);
        prop_assert_eq!(&after.steps, &[]);
        let blamed = |role: &str, database: Option<&str>| {
            after.problems.iter().any(|problem| {
                problem.role.as_deref() == Some(role) || (database.is_some() && problem.database.as_deref() == database)
            })
        };
        for login in &request.logins {
            let role = server.roles.get(&login.role);
            let works = role.and_then(|role| role.login_works) == Some(true);
            let as_owner = login.role == login.owner
                || role.is_some_and(|role| role.is_member && role.becomes.as_ref() == Some(&login.owner));
            prop_assert!(works && as_owner || blamed(&login.role, None) || blamed(&login.owner, None), "{login:?}");
        }
        for database in &request.databases {
            let is_right = server.databases.get(&database.name).is_some_and(|seen| {
                seen.owner == database.owner
                    && seen.inside.as_ref().is_none_or(|inside| {
                        inside.owner_may_create != Some(false)
                            && database.extensions.iter().all(|name| inside.extensions.contains(name))
                    })
            });
            prop_assert!(is_right || blamed(&database.owner, Some(&database.name)), "{database:?}");
            if let Some(user) = &database.user {
                let inside = server.databases.get(&database.name).and_then(|seen| seen.inside.as_ref());
                // Only a password proves the owner of the role, and the request has none for it.
                let is_known = request.logins.iter().any(|login| login.owner == *user);
                let may_use = inside.is_none_or(|inside| inside.user_may_use != Some(false));
                prop_assert!(may_use || !is_right || !is_known || blamed(user, None), "{database:?}");
            }
        }
    }

    #[test]
    fn nothing_of_anybody_elses_is_touched(request in any_request(), before in any_server()) {
        prop_assume!(request.problems().is_empty());
        let mut server = before.clone();
        carry_out(&request, &mut server);
        for (name, role) in &before.roles {
            let after = server.roles.get(name).expect("no role is dropped");
            let theirs = Role { is_ours_to_act_as: role.is_ours_to_act_as, ..after.clone() };
            let ours = ownership_comment(&request.drive);
            let is_ours = |role: &Role| role.comment.as_ref() == Some(&ours);
            if !is_ours(after) {
                prop_assert_eq!(&theirs, role);
            } else if !is_ours(role) {
                // Claimed: an earlier drive of the same name made it, and one of the passwords opened it.
                let earlier = ownership_comment(&drive("spring", "2"));
                prop_assert_eq!(role.comment.as_ref(), Some(&earlier));
                prop_assert!(is_opened(&request, &before, name), "{name}");
            }
        }
        for (name, database) in &before.databases {
            let after = server.databases.get(name).expect("no database is dropped");
            prop_assert_eq!(&after.owner, &database.owner);
            if request.databases.iter().all(|asked| asked.name != *name || asked.owner != database.owner) {
                // The comment is the owner role's own, which is judged above.
                let owner_comment = server.roles.get(&database.owner).and_then(|role| role.comment.clone());
                let expected = DatabaseSnapshot { owner_comment, ..database.clone() };
                prop_assert_eq!(after, &expected);
            }
        }
    }

    #[test]
    fn a_plan_that_is_cut_off_anywhere_is_carried_on_by_the_next(
        request in any_request(),
        server in any_server(),
        cut in 0_usize..12,
    ) {
        prop_assume!(request.problems().is_empty());
        let mut whole = server.clone();
        carry_out(&request, &mut whole);
        let mut broken = server;
        for step in plan(&request, &broken).steps.into_iter().take(cut) {
            take(&step, &mut broken, &request).expect("a server takes each step");
            if let ServerStep::SetPassword { role } = &step
                && let Some(login) = request.logins.iter().find(|login| login.role == *role && login.owner != *role)
            {
                let seen = broken.roles.get(role).expect("there");
                prop_assert!(seen.is_member && seen.becomes.as_ref() == Some(&login.owner));
            }
        }
        carry_out(&request, &mut broken);
        // A database created for somebody else's role is ours only while its comment says so.
        for server in [&mut broken, &mut whole] {
            let roles = &server.roles;
            for database in server.databases.values_mut() {
                if roles[&database.owner].comment.as_deref() != Some(ownership_comment(&request.drive).as_str()) {
                    database.comment = None;
                }
            }
        }
        prop_assert_eq!(broken, whole);
    }
}

#[test]
fn five_databases_with_five_owners_are_made_in_one_go() {
    let names = ["application", "auth", "company", "rc", "student"];
    let owner = |name: &str| format!("{name}admin");
    let request = request(
        names.iter().map(|name| database(name, &owner(name))).collect(),
        names.iter().map(|name| login(&owner(name), &owner(name))).collect(),
    );
    let mut server = empty_server(true);
    let steps = carry_out(&request, &mut server);
    assert_eq!(
        steps.len(),
        5 * 4,
        "a role, a password, a database and a comment each: {steps:?}"
    );
    assert!(names.iter().all(|name| server.databases[*name].owner == owner(name)));
}

#[test]
fn an_administrator_who_may_not_do_everything_joins_the_owners_first() {
    let request = request(vec![database("application", "app")], vec![login("app", "app")]);
    let steps = carry_out(&request, &mut empty_server(false));
    let at = |wanted: fn(&ServerStep) -> bool| steps.iter().position(wanted).expect("taken");
    assert!(
        at(|step| matches!(step, ServerStep::ActAsOwner { .. }))
            < at(|step| matches!(step, ServerStep::CreateDatabase { .. }))
    );
}

#[test]
fn a_rotation_makes_a_second_login_and_leaves_the_first_alone() {
    let databases = || vec![database("application", "app")];
    let mut server = empty_server(true);
    carry_out(&request(databases(), vec![login("app", "app")]), &mut server);
    let first = server.roles["app"].clone();

    let steps = carry_out(&request(databases(), vec![login("app_2", "app")]), &mut server);
    assert_eq!(server.roles["app"], first);
    assert_eq!(
        steps,
        [
            ServerStep::CreateRole {
                role: "app_2".to_owned()
            },
            ServerStep::JoinOwner {
                role: "app_2".to_owned(),
                owner: "app".to_owned()
            },
            ServerStep::BecomeOwner {
                role: "app_2".to_owned(),
                owner: "app".to_owned()
            },
            ServerStep::SetPassword {
                role: "app_2".to_owned()
            },
        ]
    );

    // The next rotation returns to the first login, with a password that does not work yet.
    server.roles.get_mut("app").expect("there").login_works = Some(false);
    let steps = carry_out(&request(databases(), vec![login("app", "app")]), &mut server);
    assert_eq!(steps, [ServerStep::SetPassword { role: "app".to_owned() }]);
}

#[test]
fn a_user_is_given_what_it_needs_in_a_database_that_is_made_and_in_one_that_is_there() {
    let owners_own = request(vec![database("application", "app")], vec![login("app", "app")]);
    let mut with_user = owners_own.clone();
    with_user.databases[0].user = Some("use".to_owned());
    with_user.logins.push(login("use", "use"));
    let allowed = ServerStep::AllowUse {
        database: "application".to_owned(),
        owner: "app".to_owned(),
        user: "use".to_owned(),
    };

    let mut new = empty_server(false);
    assert_eq!(carry_out(&with_user, &mut new).last(), Some(&allowed));

    let mut there = empty_server(false);
    carry_out(&owners_own, &mut there);
    let inside = there
        .databases
        .get_mut("application")
        .and_then(|seen| seen.inside.as_mut());
    inside.expect("seen").user_may_use = Some(false);
    let steps = carry_out(&with_user, &mut there);
    let make = ServerStep::CreateRole { role: "use".to_owned() };
    let password = ServerStep::SetPassword { role: "use".to_owned() };
    assert_eq!(steps, [make, password, allowed.clone()]);

    // A role that somebody else created gets no privileges unless its password proves that it is meant.
    let mut theirs = empty_server(false);
    theirs.roles.insert(
        "use".to_owned(),
        Role {
            login_works: Some(false),
            ..Role::default()
        },
    );
    assert!(!carry_out(&with_user, &mut theirs).contains(&allowed));
}

#[test]
fn a_database_that_is_not_asked_for_any_more_is_kept_and_named() {
    let mut server = empty_server(true);
    let both = vec![database("application", "app"), database("old", "app")];
    carry_out(&request(both, Vec::new()), &mut server);
    let request = request(vec![database("application", "app")], Vec::new());
    let plan = plan(&request, &server);
    assert_eq!(
        (plan.steps, plan.no_longer_managed),
        (Vec::new(), vec!["old".to_owned()])
    );
}

#[test]
fn an_owner_cannot_pass_its_database_off_as_another_drives() {
    let mut server = empty_server(true);
    let theirs = DatabaseSnapshot {
        owner: "attacker".to_owned(),
        owner_comment: Some(ownership_comment(&drive("summer", "3"))),
        // `COMMENT ON DATABASE`, which its owner may run.
        comment: Some(ownership_comment(&drive("spring", "1"))),
        inside: None,
    };
    server.databases.insert("forged".to_owned(), theirs);
    let plan = plan(&request(Vec::new(), Vec::new()), &server);
    assert_eq!(plan.no_longer_managed, Vec::<String>::new());
}

#[test]
fn a_role_made_by_hand_can_be_used_with_its_password_and_not_without() {
    let request = request(vec![database("application", "app")], vec![login("app", "app")]);
    let with = |login_works| {
        let mut server = empty_server(true);
        server.roles = BTreeMap::from([(
            "app".to_owned(),
            Role {
                login_works,
                ..Role::default()
            },
        )]);
        plan(&request, &server)
    };
    let opened = with(Some(true));
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    assert!(
        opened
            .steps
            .iter()
            .any(|step| matches!(step, ServerStep::CreateDatabase { .. }))
    );

    let closed = with(Some(false));
    assert_eq!(closed.steps, []);
    let [problem] = closed.problems.as_slice() else {
        panic!("one problem, said once: {:?}", closed.problems)
    };
    assert_eq!(problem.cause, Cause::NotOurs);
    for words in ["role app", "app/password", "COMMENT ON ROLE \"app\" IS 'ras-operator: "] {
        assert!(problem.message.contains(words), "{}", problem.message);
    }
}

#[test]
fn a_database_of_another_owner_is_told_of_and_left() {
    let mut server = empty_server(true);
    server.roles.insert(
        "app".to_owned(),
        Role {
            comment: Some(ownership_comment(&drive("spring", "1"))),
            ..Role::default()
        },
    );
    server.databases.insert(
        "application".to_owned(),
        DatabaseSnapshot {
            owner: "postgres".to_owned(),
            ..DatabaseSnapshot::default()
        },
    );
    let plan = plan(&request(vec![database("application", "app")], Vec::new()), &server);
    assert_eq!(plan.steps, []);
    assert!(
        plan.problems[0]
            .message
            .contains("ALTER DATABASE \"application\" OWNER TO \"app\"")
    );
    assert_eq!(plan.problems[0].database.as_deref(), Some("application"));
}

#[test]
fn an_extension_that_the_server_does_not_have_keeps_nothing_else_waiting() {
    let mut wanted = database("application", "app");
    wanted.extensions = vec!["timescaledb".to_owned(), "citext".to_owned()];
    let request = request(vec![wanted], Vec::new());
    let mut server = empty_server(true);
    carry_out(&request, &mut server);
    let inside = server
        .databases
        .get_mut("application")
        .and_then(|seen| seen.inside.as_mut())
        .expect("seen");
    inside.extensions = BTreeSet::new();
    inside.available = BTreeSet::from(["citext".to_owned()]);
    let plan = plan(&request, &server);
    assert_eq!(plan.problems[0].cause, Cause::ExtensionMissing);
    assert_eq!(
        plan.steps,
        [ServerStep::CreateExtension {
            database: "application".to_owned(),
            extension: "citext".to_owned()
        }]
    );
}
