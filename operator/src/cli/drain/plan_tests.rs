use ras_crds::{BucketState, BucketStatus};

use super::super::inventory::{Foreign, OutsideDatabase, RetainedBucket};
use super::super::report::{self, End};
use super::*;

fn id(kind: &str, name: &str) -> Id {
    Id {
        kind: kind.to_owned(),
        api_version: "v1".to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
        namespace: Some("spo".to_owned()),
        name: name.to_owned(),
        uid: format!("uid of {kind} {name}"),
    }
}

fn drive(buckets: Vec<BucketRemoval>) -> Drive {
    Drive {
        id: id("RecruitmentDrive", "season"),
        buckets,
        ..Drive::default()
    }
}

fn bucket(name: &str, fate: RemovalDecision) -> BucketRemoval {
    BucketRemoval {
        recorded: BucketStatus {
            name: name.to_owned(),
            bucket: format!("ras-spo-season-{name}"),
            state: BucketState::Ready,
            ..BucketStatus::default()
        },
        fate,
    }
}

fn service(name: &str) -> LoadBalancer {
    LoadBalancer {
        id: id("Service", name),
        ..LoadBalancer::default()
    }
}

fn claim(name: &str, kept_by: Option<&str>) -> Claim {
    Claim {
        id: id("PersistentVolumeClaim", name),
        volume: Some(format!("pv-{name}")),
        kept_by: kept_by.map(str::to_owned),
        ..Claim::default()
    }
}

fn volume(name: &str, reclaimed: bool) -> Volume {
    Volume {
        id: Id {
            namespace: None,
            ..id("PersistentVolume", &format!("pv-{name}"))
        },
        reclaimed,
        phase: "Bound".to_owned(),
        disk: format!("vol-{name}"),
        size: "20Gi".to_owned(),
        claim: Some(("spo".to_owned(), name.to_owned())),
        ..Volume::default()
    }
}

fn first_plan(inventory: &Inventory) -> (DrainSession, DrainPlan) {
    let mut session = DrainSession::default();
    session.saw(inventory);
    let plan = drain_plan(inventory, &session);
    (session, plan)
}

fn state_of<'a>(plan: &'a DrainPlan, name: &str) -> &'a ItemState {
    let found = plan.items.iter().find(|item| item.name.ends_with(name));
    &found.unwrap_or_else(|| panic!("no {name} in {:?}", plan.items)).state
}

fn deleted(plan: &DrainPlan) -> Vec<String> {
    plan.next().iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_cluster_is_safe_to_destroy_and_one_that_cannot_be_seen_is_not() {
    assert!(first_plan(&Inventory::default()).1.is_safe());
    let hidden = Inventory {
        unseen: vec!["Services could not be listed".to_owned()],
        ..Inventory::default()
    };
    let (_, plan) = first_plan(&hidden);
    assert!(!plan.is_safe() && plan.next().is_empty() && plan.is_stuck());
    assert!(report::text(&plan, End::Done).contains("Services could not be listed"));
}

#[test]
fn nothing_is_taken_down_before_every_drive_is_gone() {
    let mut inventory = Inventory {
        drives: vec![drive(Vec::new())],
        services: vec![service("traefik")],
        claims: vec![claim("prometheus", None)],
        volumes: vec![volume("prometheus", true)],
        ..Inventory::default()
    };
    let (mut session, plan) = first_plan(&inventory);
    assert_eq!(deleted(&plan), ["RecruitmentDrive spo/season"]);

    session.deleted(&inventory.drives[0].id, None);
    inventory.drives[0].going = true;
    inventory.drives[0].blocked = Some(("ConfirmationMissing".to_owned(), "to keep it: annotate".to_owned()));
    let blocked = drain_plan(&inventory, &session);
    assert!(blocked.next().is_empty() && blocked.is_stuck() && !blocked.is_safe());
    assert!(report::text(&blocked, End::Stuck).contains("to keep it: annotate"));

    // An object store that does not answer may answer later: that is waited for.
    inventory.drives[0].blocked = Some(("StoreUnavailable".to_owned(), "it cannot be reached".to_owned()));
    assert!(!drain_plan(&inventory, &session).is_stuck());

    inventory.drives.clear();
    assert_eq!(deleted(&drain_plan(&inventory, &session)), ["Service spo/traefik"]);
    inventory.services.clear();
    assert_eq!(
        deleted(&drain_plan(&inventory, &session)),
        ["PersistentVolumeClaim spo/prometheus"]
    );
    inventory.claims.clear();
    inventory.volumes[0].phase = "Released".to_owned();
    let driver = drain_plan(&inventory, &session);
    assert!(matches!(state_of(&driver, "pv-prometheus"), ItemState::Going(_)) && !driver.is_safe());
    inventory.volumes.clear();
    assert!(drain_plan(&inventory, &session).is_safe());
}

#[test]
fn what_a_drive_or_a_volume_keeps_is_kept_and_told_with_its_reason() {
    let mut of_a_database = claim("pg-1", None);
    of_a_database.of_other = Some("Cluster pg".to_owned());
    let inventory = Inventory {
        claims: vec![claim("data", Some("season")), claim("archive", None), of_a_database],
        volumes: vec![volume("data", true), volume("archive", false), volume("pg-1", true)],
        credentials: vec![id("Secret", "season-database")],
        ..Inventory::default()
    };
    let (_, plan) = first_plan(&inventory);
    assert!(plan.is_safe() && plan.next().is_empty(), "{plan:?}");
    let text = report::text(&plan, End::Done);
    for said in [
        "vol-data, 20Gi, of the claim spo/data: drive season keeps it",
        "kubectl -n spo delete persistentvolumeclaims data",
        "vol-archive, 20Gi, of the claim spo/archive: its reclaim policy is Retain",
        "vol-pg-1, 20Gi, of the claim spo/pg-1: it belongs to Cluster pg",
        "ends with the cluster:\n  Secret spo/season-database",
    ] {
        assert!(text.contains(said), "no {said:?} in {text}");
    }
    assert!(text.ends_with("\nsafe to destroy\n"), "{text}");
}

#[test]
fn buckets_are_told_by_their_drives_own_policies_also_when_the_drive_is_gone() {
    let buckets = vec![
        bucket("resumes", RemovalDecision::Kept),
        bucket("exports", RemovalDecision::RemovedIfEmpty),
        bucket("cache", RemovalDecision::RemovedIfEmpty),
        bucket("old", RemovalDecision::Removed),
    ];
    let mut inventory = Inventory {
        drives: vec![drive(buckets)],
        ..Inventory::default()
    };
    let (session, plan) = first_plan(&inventory);
    assert!(matches!(state_of(&plan, "resumes"), ItemState::Kept { .. }));
    for follows in ["exports", "cache", "old"] {
        assert!(matches!(state_of(&plan, follows), ItemState::Follows(_)), "{follows}");
    }

    let uid = inventory.drives.remove(0).id.uid;
    let retained = |drive: &str, name: &str| RetainedBucket {
        drive: drive.to_owned(),
        bucket: format!("ras-{name}"),
        reason: "it is not empty".to_owned(),
    };
    // The second is of a drive that went before this began.
    inventory.retained_buckets = vec![
        retained(&uid, "spo-season-exports"),
        retained("another", "spo-autumn-zip"),
    ];
    let after = drain_plan(&inventory, &session);
    assert!(after.is_safe());
    let names: Vec<&str> = after.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(
        names,
        ["ras-spo-autumn-zip", "ras-spo-season-exports", "ras-spo-season-resumes"]
    );
    assert!(report::text(&after, End::Done).contains("ras-spo-season-exports: it is not empty"));
}

#[test]
fn a_bucket_that_nobody_confirmed_is_in_the_way_before_anything_is_done() {
    let inventory = Inventory {
        drives: vec![drive(vec![bucket("old", RemovalDecision::Unconfirmed)])],
        ..Inventory::default()
    };
    let text = report::text(&first_plan(&inventory).1, End::DryRun);
    assert!(
        text.contains("annotate drive season --overwrite ras.dev/confirm-delete=ras-spo-season-old"),
        "{text}"
    );
    assert!(text.contains("ras.dev/keep-buckets=ras-spo-season-old"), "{text}");
}

#[test]
fn what_comes_back_or_comes_later_is_not_deleted_over_and_over() {
    let mut inventory = Inventory {
        services: vec![service("traefik")],
        ..Inventory::default()
    };
    let (mut session, _) = first_plan(&inventory);
    session.deleted(&inventory.services[0].id, None);
    inventory.services[0].id.uid = "another".to_owned();
    inventory.services.push(service("later"));
    let plan = drain_plan(&inventory, &session);
    assert!(plan.next().is_empty() && plan.is_stuck());
    let text = report::text(&plan, End::Stuck);
    assert!(
        text.contains("came back") && text.contains("came after this began"),
        "{text}"
    );
}

#[test]
fn what_may_not_be_deleted_or_is_in_use_or_of_others_is_in_the_way() {
    let mut used = claim("prometheus", None);
    used.going = true;
    used.users = vec![("spo/prometheus-0".to_owned(), false)];
    let mut failed = volume("lost", true);
    failed.phase = "Failed".to_owned();
    failed.message = Some("VolumeInUse".to_owned());
    let inventory = Inventory {
        services: vec![service("traefik")],
        claims: vec![used],
        volumes: vec![volume("prometheus", true), failed],
        foreign: vec![Foreign {
            id: id("PodIdentityAssociation", "theirs"),
            what: "something outside the cluster".to_owned(),
            kept: false,
        }],
        ..Inventory::default()
    };
    let (mut session, _) = first_plan(&inventory);
    session.deleted(
        &inventory.services[0].id,
        Some("it may not be deleted: no right".to_owned()),
    );
    let plan = drain_plan(&inventory, &session);
    assert!(!plan.is_safe());
    let text = report::text(&plan, End::Stuck);
    for said in [
        "no right",
        "spo/prometheus-0",
        "VolumeInUse",
        "delete podidentityassociations theirs",
    ] {
        assert!(text.contains(said), "no {said:?} in {text}");
    }
}

#[test]
fn a_script_reads_the_same() {
    let inventory = Inventory {
        drives: vec![drive(vec![bucket("resumes", RemovalDecision::Kept)])],
        ..Inventory::default()
    };
    let (_, plan) = first_plan(&inventory);
    let text = report::json(&plan, End::DryRun).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["safeToDestroy"], false);
    assert_eq!(report["dryRun"], true);
    let state = |name: &str| {
        let items = report["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["name"] == name).unwrap();
        item["state"].clone()
    };
    assert_eq!(state("spo/season"), "ToBeDeleted");
    assert_eq!(state("ras-spo-season-resumes"), "Kept");
}

#[test]
fn databases_on_servers_of_others_are_listed_as_kept_before_and_after_their_drive_is_gone() {
    let mut with_database = drive(Vec::new());
    with_database.databases = vec![OutsideDatabase {
        name: "portal".to_owned(),
        secret: "rds".to_owned(),
    }];
    let mut inventory = Inventory {
        drives: vec![with_database],
        ..Inventory::default()
    };
    let (mut session, plan) = first_plan(&inventory);
    let check = |plan: &DrainPlan| {
        let state = state_of(plan, "portal of drive spo/season");
        let ItemState::Kept { reason, way_out: None } = state else {
            panic!("{state:?}")
        };
        assert!(
            reason.contains("Secret spo/rds") && reason.contains("ever dropped"),
            "{reason}"
        );
    };
    check(&plan);
    assert_eq!(deleted(&plan), ["RecruitmentDrive spo/season"]);

    inventory.drives.clear();
    session.saw(&inventory);
    let plan = drain_plan(&inventory, &session);
    check(&plan);
    assert!(plan.is_safe(), "what is kept is in nobody's way");
    let text = report::text(&plan, End::Done);
    assert!(
        text.contains("database portal of drive spo/season: it is on the server"),
        "{text}"
    );
}
