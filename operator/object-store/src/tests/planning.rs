//! Whatever the state of a bucket, the steps of a plan lead to the request and change nothing else.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;

use super::given::{any_features, any_request, any_truth, full, is_ours, name, owner, unowned};
use super::memory::{apply, fresh, view};
use crate::failure::Failure;
use crate::lifecycle;
use crate::plan::{BucketStep, PlanInput, plan};
use crate::seeds::run_of;
use crate::snapshot::{BucketSnapshot, Seen, StoredCors, StoredEncryption, StoredLock, StoredRule, StoredVersioning};
use ras_core::bucket::request::{BucketRequest, Encryption, Feature, Origin};

type Features = BTreeSet<Feature>;

fn plan_for(request: &BucketRequest, truth: &BucketSnapshot, lacking: &Features) -> Result<Vec<BucketStep>, Failure> {
    let before = BTreeSet::new();
    let input = PlanInput {
        request,
        before: &before,
        lacking,
        tag: "m",
    };
    if !truth.exists {
        return plan(input, truth);
    }
    plan(input, &view(truth, &input.reads(), &BTreeSet::new()))
}

fn applied(steps: &[BucketStep], truth: &BucketSnapshot) -> BucketSnapshot {
    let mut truth = truth.clone();
    for step in steps {
        apply(step, &mut truth);
    }
    truth
}

/// The result that a plan for `request` must have, stated independently of the planner.
fn is_as_asked(request: &BucketRequest, truth: &BucketSnapshot, lacking: &Features) -> Result<(), String> {
    let settings = &request.settings;
    let has = |feature| !lacking.contains(&feature);
    let is_made = request.origin == Origin::Made;
    let check = |is_so: bool, what: &str| if is_so { Ok(()) } else { Err(what.to_owned()) };
    let tags = truth.tags.known().unwrap();
    check(
        !is_made || !has(Feature::Tags) || owner().tags().iter().all(|(key, value)| tags.get(key) == Some(value)),
        "tags",
    )?;
    check(
        !settings.private || !has(Feature::PublicAccessBlock) || truth.public_access_blocked == Seen::Is(true),
        "public access",
    )?;
    check(
        match (&settings.encryption, truth.encryption.known().unwrap()) {
            (Some(Encryption::Kms(_)), StoredEncryption::Kms(Some(key))) if has(Feature::KmsEncryption) => {
                key.ends_with("key/1234")
            }
            (Some(Encryption::Kms(_)), _) if has(Feature::KmsEncryption) => false,
            (Some(_), stored) if has(Feature::Encryption) => *stored == StoredEncryption::StoreKey,
            _ => true,
        },
        "encryption",
    )?;
    let ours = |statement: &&Value| statement["Sid"].as_str().is_some_and(|sid| sid.starts_with("RasDev"));
    let policy = truth.policy.known().unwrap();
    let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
    check(
        !settings.tls_only
            || !has(Feature::Policy)
            || statements.iter().filter(ours).count() == 1
                && statements.iter().filter(ours).all(|statement| {
                    statement["Effect"] == "Deny"
                        && statement["Condition"]["Bool"]["aws:SecureTransport"] != Value::Null
                }),
        "policy",
    )?;
    let locks = settings.object_lock.is_some() && has(Feature::ObjectLock);
    let versioning = truth.versioning.known().unwrap();
    if has(Feature::Versioning) {
        check(
            match (settings.versioned, locks) {
                (_, true) | (Some(true), _) => *versioning == StoredVersioning::Enabled,
                (Some(false), false) => *versioning != StoredVersioning::Enabled,
                (None, false) => true,
            },
            "versioning",
        )?;
    }
    check(
        !locks || truth.object_lock == Seen::Is(StoredLock::On(settings.object_lock)),
        "object lock",
    )?;
    let stored = &truth.lifecycle.known().unwrap().rules;
    let meant = |rule: &StoredRule| StoredRule {
        id: None,
        ..rule.clone()
    };
    let desired = lifecycle::desired(request, lacking);
    check(
        desired
            .iter()
            .all(|rule| stored.iter().any(|there| meant(there) == meant(rule))),
        "lifecycle",
    )?;
    if is_made && Feature::LIFECYCLE.iter().any(|feature| has(*feature)) {
        check(stored.len() == desired.len(), "nothing else expires")?;
    }
    let cors = truth.cors.known().unwrap();
    if has(Feature::Cors) && (is_made || !settings.cors.is_empty()) {
        let ours: Vec<&StoredCors> = cors
            .iter()
            .filter(|rule| is_made || is_ours(rule.id.as_deref()))
            .collect();
        check(ours.len() == settings.cors.len(), "as many CORS rules")?;
        for (rule, there) in settings.cors.iter().zip(ours) {
            check(rule.origins == there.origins && rule.methods == there.methods, "CORS")?;
        }
    }
    Ok(())
}

fn is_public(truth: &BucketSnapshot) -> bool {
    let policy = truth.policy.known().unwrap();
    let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
    let is_open = statements.iter().any(|statement| {
        statement["Effect"] == "Allow" && (statement["Principal"] == "*" || statement["Principal"]["AWS"] == "*")
    });
    is_open && truth.public_access_blocked == Seen::Is(false)
}

fn others_rules(truth: &BucketSnapshot) -> Vec<StoredRule> {
    let mut rules = truth.lifecycle.known().unwrap().rules.clone();
    rules.retain(|rule| !is_ours(rule.id.as_deref()));
    rules.sort();
    rules
}

fn others_statements(truth: &BucketSnapshot) -> Vec<Value> {
    let statements = truth.policy.known().unwrap()["Statement"].as_array().cloned();
    let mut statements = statements.unwrap_or_default();
    statements.retain(|statement| !statement["Sid"].as_str().unwrap_or_default().starts_with("RasDev"));
    statements
}

fn others_cors(truth: &BucketSnapshot) -> Vec<StoredCors> {
    let mut rules = truth.cors.known().unwrap().clone();
    rules.retain(|rule| !is_ours(rule.id.as_deref()));
    rules
}

/// Only a bucket that is made may be missing.
fn any_request_and_truth() -> impl Strategy<Value = (BucketRequest, BucketSnapshot)> {
    let truth = prop_oneof![1 => Just(BucketSnapshot::missing()), 4 => any_truth()];
    (any_request(), truth).prop_map(|(request, truth)| {
        let origin = if truth.exists { request.origin } else { Origin::Made };
        (BucketRequest { origin, ..request }, truth)
    })
}

proptest! {
    #![proptest_config(run_of("object_store::planning", 2_000))]

    #[test]
    fn a_plan_leads_to_what_is_asked_and_a_second_one_is_empty(
        (request, truth) in any_request_and_truth(),
        lacking in any_features(),
    ) {
        let steps = plan_for(&request, &truth, &lacking).unwrap();
        let after = applied(&steps, &truth);
        prop_assert_eq!(is_as_asked(&request, &after, &lacking), Ok(()), "{:?}", steps);
        prop_assert_eq!(plan_for(&request, &after, &lacking).unwrap(), vec![]);
    }

    #[test]
    fn a_plan_that_is_cut_off_anywhere_is_taken_up_where_it_was(
        (request, truth) in any_request_and_truth(),
        lacking in any_features(),
        cut in 0_usize..10,
    ) {
        let steps = plan_for(&request, &truth, &lacking).unwrap();
        let (done, _) = steps.split_at(cut.min(steps.len()));
        let halfway = applied(done, &truth);
        let rest = plan_for(&request, &halfway, &lacking).unwrap();
        let mut finished = applied(&rest, &halfway);
        let mut in_one_go = applied(&steps, &truth);
        for truth in [&mut finished, &mut in_one_go] {
            if let Seen::Is(document) = &mut truth.lifecycle {
                document.rules.sort();
            }
        }
        prop_assert_eq!(finished, in_one_go);
    }

    #[test]
    fn between_two_steps_a_bucket_is_neither_public_nor_without_an_owner(
        (request, truth) in any_request_and_truth(),
        lacking in any_features(),
    ) {
        let steps = plan_for(&request, &truth, &lacking).unwrap();
        let is_tagged_first = match steps.as_slice() {
            [BucketStep::Create { .. }, rest @ ..] => {
                matches!(rest.first(), Some(BucketStep::Tag(_))) || lacking.contains(&Feature::Tags)
            }
            steps => steps.iter().skip(1).all(|step| !matches!(step, BucketStep::Tag(_))),
        };
        prop_assert!(is_tagged_first, "{:?}", steps);
        for cut in 1..=steps.len() {
            let between = applied(&steps[..cut], &truth);
            prop_assert!(!is_public(&between) || is_public(&truth), "{:?}", &steps[..cut]);
        }
    }

    #[test]
    fn what_others_set_up_in_their_bucket_stays(
        request in any_request(),
        truth in any_truth(),
        lacking in any_features(),
    ) {
        let request = BucketRequest { origin: Origin::Existing, ..request };
        let steps = plan_for(&request, &truth, &lacking).unwrap();
        let after = applied(&steps, &truth);
        prop_assert_eq!(&after.tags, &truth.tags);
        prop_assert_eq!(others_statements(&after), others_statements(&truth));
        prop_assert_eq!(others_cors(&after), others_cors(&truth));
        // A rule without an ID and with our content counts as ours.
        let desired = lifecycle::desired(&request, &lacking).into_iter();
        let desired: Vec<_> = desired.map(|rule| StoredRule { id: None, ..rule }).collect();
        let without = |mut rules: Vec<StoredRule>| {
            rules.retain(|rule| rule.id.is_some() || !desired.contains(rule));
            rules
        };
        prop_assert_eq!(without(others_rules(&after)), without(others_rules(&truth)));
        let minimum = |truth: &BucketSnapshot| truth.lifecycle.known().unwrap().transition_minimum.clone();
        prop_assert_eq!(minimum(&after), minimum(&truth));
        if request.settings == ras_core::bucket::request::Settings::default() {
            prop_assert_eq!(steps, vec![]);
        }
    }

    #[test]
    fn in_a_bucket_of_our_own_others_statements_and_tags_stay(
        request in any_request(),
        truth in any_truth(),
        lacking in any_features(),
    ) {
        let request = BucketRequest { origin: Origin::Made, ..request };
        let after = applied(&plan_for(&request, &truth, &lacking).unwrap(), &truth);
        prop_assert_eq!(others_statements(&after), others_statements(&truth));
        let tags = after.tags.known().unwrap();
        prop_assert!(truth.tags.known().unwrap().iter().all(|(key, value)| tags.get(key) == Some(value)));
    }

    #[test]
    fn another_owners_bucket_gets_no_step(request in any_request(), truth in any_truth(), lacking in any_features()) {
        let lacking: BTreeSet<Feature> = lacking.into_iter().filter(|feature| *feature != Feature::Tags).collect();
        let request = BucketRequest { origin: Origin::Made, ..request };
        let truth = BucketSnapshot { tags: Seen::Is(unowned().tags()), ..truth };
        let failure = plan_for(&request, &truth, &lacking).unwrap_err();
        prop_assert!(failure.message().contains("spo/placements (UID ffffffff-0000)"), "{}", failure.message());
        prop_assert_eq!(failure.reason(), ras_crds::Reason::BucketNotOurs);
    }
}

#[test]
fn a_bucket_of_another_name_without_tags_is_not_ours() {
    let mut request = full();
    request.bucket = "somebodys-bucket".to_owned();
    let failure = plan_for(&request, &fresh(), &BTreeSet::new()).unwrap_err();
    assert_eq!(failure.reason(), ras_crds::Reason::BucketNotOurs);
}

#[test]
fn an_existing_bucket_that_is_not_there_is_not_made() {
    let request = BucketRequest {
        origin: Origin::Existing,
        ..full()
    };
    let failure = plan_for(&request, &BucketSnapshot::missing(), &BTreeSet::new()).unwrap_err();
    assert_eq!(failure.reason(), ras_crds::Reason::BucketMissing);
    assert!(failure.message().contains(&name()));
}

#[test]
fn an_existing_bucket_gets_no_step_unless_the_platform_or_a_tag_lets_the_namespace_use_it() {
    let request = BucketRequest {
        origin: Origin::Existing,
        permitted: false,
        ..full()
    };
    let tags = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Seen::Is(pairs.collect::<BTreeMap<_, _>>())
    };
    let manager = ("app.kubernetes.io/managed-by", "ras-operator");
    for (tags, is_permitted) in [
        (Seen::NotRead, false),
        (Seen::Lacking, false),
        (tags(&[]), false),
        (tags(&[("team", "placements")]), false),
        (tags(&[("ras.dev/allowed-namespace", "spo-other")]), false),
        (tags(&[("ras.dev/allowed-namespace", "")]), false),
        (tags(&[("ras.dev/namespace", "spo")]), false),
        (tags(&[("ras.dev/allowed-namespace", "spo")]), true),
        (tags(&[("ras.dev/allowed-namespace", "alumni spo")]), true),
        (tags(&[manager, ("ras.dev/namespace", "spo")]), true),
        (tags(&[manager, ("ras.dev/namespace", "alumni")]), false),
    ] {
        let truth = BucketSnapshot {
            tags: tags.clone(),
            ..fresh()
        };
        let steps = plan_for(&request, &truth, &BTreeSet::new());
        assert_eq!(steps.is_ok(), is_permitted, "{tags:?}: {steps:?}");
        let permitted = BucketRequest {
            permitted: true,
            ..request.clone()
        };
        let is_anothers =
            matches!(&tags, Seen::Is(tags) if tags.get("ras.dev/namespace").is_some_and(|one| one == "alumni"));
        assert_eq!(
            plan_for(&permitted, &truth, &BTreeSet::new()).is_ok(),
            !is_anothers,
            "{tags:?}"
        );
    }
    let failure = plan_for(&request, &fresh(), &BTreeSet::new()).unwrap_err();
    assert_eq!(failure.reason(), ras_crds::Reason::BucketNotPermitted);
    for words in ["namespace spo", "tenancy.existingBuckets", "ras.dev/allowed-namespace"] {
        assert!(failure.message().contains(words), "{}", failure.message());
    }
}

#[test]
fn what_aws_sets_by_itself_is_not_set_again() {
    let mut truth = fresh();
    truth.public_access_blocked = Seen::Is(true);
    truth.encryption = Seen::Is(StoredEncryption::StoreKey);
    let steps = plan_for(&full(), &truth, &BTreeSet::new()).unwrap();
    let words: Vec<_> = steps.iter().map(BucketStep::words).collect();
    assert_eq!(words, ["owner's tags", "policy", "versioning", "lifecycle", "CORS"]);
}

#[test]
fn what_was_asked_before_is_taken_back_from_an_existing_bucket() {
    let asked = BucketRequest {
        origin: Origin::Existing,
        ..full()
    };
    let truth = applied(&plan_for(&asked, &fresh(), &BTreeSet::new()).unwrap(), &fresh());
    let request = BucketRequest {
        settings: ras_core::bucket::request::Settings::default(),
        ..asked
    };
    assert_eq!(plan_for(&request, &truth, &BTreeSet::new()).unwrap(), []);
    let before = BTreeSet::from([Feature::Expiry, Feature::Cors, Feature::Policy]);
    let lacking = BTreeSet::new();
    let input = PlanInput {
        request: &request,
        before: &before,
        lacking: &lacking,
        tag: "m",
    };
    let steps = plan(input, &view(&truth, &input.reads(), &BTreeSet::new())).unwrap();
    let after = applied(&steps, &truth);
    assert_eq!(after.policy, Seen::Is(Value::Null));
    assert_eq!(after.cors, Seen::Is(Vec::new()));
    assert!(after.lifecycle.known().unwrap().rules.is_empty());
}

#[test]
fn at_rest_a_bucket_of_ours_is_read_in_seven_requests_and_an_existing_one_in_one() {
    let nothing = BTreeSet::new();
    let count = |request: &BucketRequest| {
        PlanInput {
            request,
            before: &nothing,
            lacking: &nothing,
            tag: "m",
        }
        .reads()
        .len()
    };
    assert_eq!(count(&full()), 7);
    let mut existing = full();
    existing.origin = Origin::Existing;
    existing.settings = ras_core::bucket::request::Settings::default();
    assert_eq!(count(&existing), 1, "its tags, which also say that it is there");
}
