//! What drives may not do to each other and to the cluster, whatever their spec says.

use ras_core::drive_key::DriveKey;
use ras_core::fetched::Fetched;
use ras_core::platform;
use ras_crds::Reason;

use crate::drives::with_spec;
use crate::planned::{build, validate};

/// Spec, the platform's settings, and the field and words of the one problem; no words: it is allowed.
type Case<'a> = (String, &'a str, Option<(&'a str, &'a str)>);

fn check(cases: &[Case<'_>]) {
    for (spec, settings, expected) in cases {
        let settings = platform::parse(settings).unwrap();
        let found = validate(&with_spec(spec), &Fetched::default(), &settings).err();
        let found: Vec<_> = found.iter().flat_map(|found| found.iter().cloned()).collect();
        match expected {
            None => assert!(found.is_empty(), "{spec}: {found:#?}"),
            Some((field, words)) => {
                assert_eq!(found.len(), 1, "{spec}: {found:#?}");
                assert!(
                    found[0].field == *field && found[0].message.contains(words),
                    "{spec}: {found:#?}"
                );
                assert_eq!(found[0].reason, Reason::InvalidSpec);
            }
        }
    }
}

fn service(more: &str) -> String {
    format!("services: [{{name: s, image: a, ports: [{{name: http, port: 80, path: /}}]{more}}}]")
}

fn with(more: &str) -> String {
    format!("{}\n{more}", service(""))
}

#[test]
fn an_existing_bucket_is_permitted_by_the_platform_or_left_to_a_tag() {
    let spec = with("buckets: [{name: state, existing: {bucket: terraform-state}, expire: [{after: 1d}]}]");
    for (settings, permitted) in [
        ("", false),
        ("[other]", false),
        ("[terraform]", false),
        ("[other-ns/terraform-state]", false),
        ("[sp/terraform-state]", false),
        ("[terraform-state]", true),
        ("['terraform-*']", true),
        ("[spo/terraform-state]", true),
        ("['sp*/terraform-*']", true),
    ] {
        let settings = if settings.is_empty() {
            "objectStore: {}".to_owned()
        } else {
            format!("{{objectStore: {{}}, tenancy: {{existingBuckets: {settings}}}}}")
        };
        let platform = platform::parse(&settings).unwrap();
        let desired = build(&validate(&with_spec(&spec), &Fetched::default(), &platform).unwrap());
        assert_eq!(desired.buckets[0].permitted, permitted, "{settings}");
    }
    let made = with("buckets: [{name: files}]");
    let platform = platform::parse("objectStore: {}").unwrap();
    let desired = build(&validate(&with_spec(&made), &Fetched::default(), &platform).unwrap());
    assert!(desired.buckets[0].permitted);
}

#[test]
fn a_store_of_the_cluster_gives_a_namespace_its_own_values_alone() {
    let keys = |store: &str, key: &str| {
        with(&format!(
            "secrets: [{{name: a, external: {{{store}, keys: [{{name: x, key: '{key}'}}]}}}}]"
        ))
    };
    let whole = |key: &str| {
        with(&format!(
            "secrets: [{{name: a, external: {{store: shared, key: '{key}'}}}}]"
        ))
    };
    let field = "spec.secrets[0].external.keys[0].key";
    let others = Some((field, "may belong to another namespace"));
    let odd = Some((field, "no plain place"));
    let of_namespace = "store: mine, storeKind: SecretStore";
    check(&[
        (keys("store: shared", "spo/mail"), "", None),
        (whole("spo/mail"), "", None),
        (keys("store: shared", "other-tenant/mail"), "", others),
        (
            whole("other-tenant/mail"),
            "",
            Some(("spec.secrets[0].external.key", "spo/*")),
        ),
        (keys("store: shared", "spo"), "", others),
        (keys("store: shared", "spo-other/mail"), "", others),
        (keys("store: shared", "spo/../other/mail"), "", odd),
        (keys("store: shared", "spo/./mail"), "", odd),
        (keys("store: shared", "spo//other"), "", odd),
        (keys("store: shared", "/spo/mail"), "", odd),
        (keys("store: shared", "spo/%2e%2e/other"), "", odd),
        (keys("store: shared", "spo/..\\other"), "", odd),
        (keys("store: shared", "spo/a?list=true"), "", odd),
        // The platform's own store is no exception.
        (
            keys("refreshInterval: 1h", "other/mail"),
            "secrets: {store: shared}",
            others,
        ),
        (
            keys("refreshInterval: 1h", "spo/mail"),
            "secrets: {store: shared}",
            None,
        ),
        (
            keys("store: shared", "teams/spo/mail"),
            "tenancy: {secretKeys: [teams/<namespace>/*, common]}",
            None,
        ),
        (
            keys("store: shared", "common"),
            "tenancy: {secretKeys: [teams/<namespace>/*, common]}",
            None,
        ),
        (
            keys("store: shared", "spo/mail"),
            "tenancy: {secretKeys: [teams/<namespace>/*, common]}",
            others,
        ),
        (
            keys("store: shared", "spo/mail"),
            "tenancy: {secretKeys: []}",
            Some((field, "read nothing")),
        ),
        // A store of the namespace has rights of its own.
        (keys(of_namespace, "anything/at/../all"), "", None),
        (keys(of_namespace, "a"), "tenancy: {secretStores: [mine]}", None),
        (
            keys(of_namespace, "a"),
            "tenancy: {secretStores: [other]}",
            Some(("spec.secrets[0].external.store", "tenancy.secretStores")),
        ),
    ]);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a list: one line an annotation")]
fn an_annotation_changes_the_drive_s_own_route_alone() {
    let annotated = |key: &str, value: &str| {
        let value = serde_json::to_string(value).unwrap();
        with(&format!(
            "exposure: {{host: a.example.edu, annotations: {{{key}: {value}}}}}"
        ))
    };
    let nginx = |name: &str| format!("nginx.ingress.kubernetes.io/{name}");
    let size = nginx("proxy-body-size");
    let problem_of = |key: &str| format!("spec.exposure.annotations[{key:?}]");
    for (name, value) in [
        ("proxy-body-size", "60m"),
        ("proxy-read-timeout", "60"),
        ("proxy-send-timeout", "60s"),
        ("ssl-redirect", "true"),
    ] {
        check(&[(annotated(&nginx(name), value), "", None)]);
    }
    for name in [
        nginx("server-alias"),
        nginx("auth-tls-secret"),
        nginx("auth-url"),
        nginx("proxy-ssl-secret"),
        nginx("fastcgi-params-configmap"),
        nginx("permanent-redirect"),
        nginx("canary"),
        nginx("upstream-vhost"),
        nginx("use-regex"),
        nginx("rewrite-target"),
        "kubernetes.io/ingress.class".to_owned(),
        "kubernetes.io/tls-acme".to_owned(),
        "traefik.ingress.kubernetes.io/router.middlewares".to_owned(),
        "alb.ingress.kubernetes.io/group.name".to_owned(),
        "external-dns.alpha.kubernetes.io/hostname".to_owned(),
        "acme.cert-manager.io/http01-edit-in-place".to_owned(),
        "haproxy.org/backend-config-snippets"
            .to_owned()
            .replace("snippets", "map"),
        "example.com/anything".to_owned(),
        // Names are compared as they are: no other spelling or controller comes through.
        nginx("Proxy-Body-Size"),
        "nginx.ingress.kubernetes.io./proxy-body-size".to_owned(),
        "nginx.org/proxy-body-size".to_owned(),
        "nginx.org/mergeable-ingress-type".to_owned(),
        nginx("custom-headers"),
        nginx("denylist-source-range"),
        nginx("whitelist-source-range"),
        nginx("enable-modsecurity"),
        nginx("service-upstream"),
        nginx("x-forwarded-prefix"),
        nginx("session-cookie-domain"),
        nginx("temporal-redirect"),
        "haproxy.org/server-ssl-verify".to_owned(),
        "haproxy.org/request-redirect".to_owned(),
        "ingress.kubernetes.io/auth-secret".to_owned(),
        "konghq.com/plugins".to_owned(),
        "konghq.com/override".to_owned(),
        "projectcontour.io/ingress.class".to_owned(),
        "ingress.class".to_owned(),
        "appgw.ingress.kubernetes.io/waf-policy-for-path".to_owned(),
        "alb.ingress.kubernetes.io/wafv2-acl-arn".to_owned(),
        "alb.ingress.kubernetes.io/certificate-arn".to_owned(),
        "alb.ingress.kubernetes.io/group.order".to_owned(),
        "ingress.gcp.kubernetes.io/pre-shared-cert".to_owned(),
        "networking.gke.io/managed-certificates".to_owned(),
        "service.beta.kubernetes.io/aws-load-balancer-internal".to_owned(),
        "external-dns.kubernetes.io/target".to_owned(),
        "ingress.cilium.io/loadbalancer-mode".to_owned(),
        "route.openshift.io/termination".to_owned(),
        "argocd.argoproj.io/tracking-id".to_owned(),
        "meta.helm.sh/release-name".to_owned(),
    ] {
        check(&[(
            annotated(&name, "a"),
            "",
            Some((&problem_of(&name), "tenancy.ingressAnnotations")),
        )]);
    }
    let field = problem_of(&size);
    for value in [
        "1m\n",
        "1m; }",
        "a\u{0}",
        "1m\r",
        "${x}",
        "`x`",
        "1m #",
        "\"1m",
        "'1m'",
        "1m\\",
        "1m\u{202e}",
    ] {
        check(&[(
            annotated(&size, value),
            "",
            Some((&field, "controller's configuration")),
        )]);
    }
    for value in ["other/object", "spo/a,other/b", "other-strip@kubernetescrd"] {
        check(&[(annotated(&size, value), "", Some((&field, "another namespace")))]);
    }
    for value in ["1m 2m", "on", "", "-1"] {
        check(&[(annotated(&size, value), "", Some((&field, "refuse its configuration")))]);
    }
    let any = "tenancy: {ingressAnnotations: ['example.com/*']}";
    check(&[
        (annotated("example.com/anything", "spo/object, b"), any, None),
        (
            annotated("example.com/anything", "a"),
            "tenancy: {ingressAnnotations: ['example.com/*']}",
            None,
        ),
        (
            annotated(&size, "3m"),
            "ingress: {annotations: {nginx.ingress.kubernetes.io/proxy-body-size: 1m}}",
            Some((&field, "set by the platform")),
        ),
        (
            annotated(&nginx("server-alias"), "a"),
            "tenancy: {ingressAnnotations: ['nginx.ingress.kubernetes.io/*']}",
            Some((&problem_of(&nginx("server-alias")), "tenancy.ingressAnnotations")),
        ),
    ]);
}

#[test]
fn pods_run_neither_before_nor_among_those_of_the_cluster() {
    let scheduled = |scheduling: &str| service(&format!(", scheduling: {{{scheduling}}}"));
    let field = "spec.services[0].scheduling";
    let priority = format!("{field}.priorityClassName");
    let toleration = format!("{field}.tolerations[0]");
    let key = format!("{field}.tolerations[0].key");
    let selector = format!("{field}.nodeSelector[\"node-role.kubernetes.io/control-plane\"]");
    let all = scheduled("tolerations: [{operator: Exists}]");
    let empty = scheduled("tolerations: [{key: '', operator: Exists}]");
    let control_plane = scheduled("tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]");
    let nodes = scheduled("nodeSelector: {node-role.kubernetes.io/control-plane: ''}");
    let allowed = "tenancy: {controlPlaneNodes: true}";
    check(&[
        (scheduled("priorityClassName: portal-high"), "", None),
        (
            scheduled("priorityClassName: system-node-critical"),
            "",
            Some((&priority, "pods of the cluster itself")),
        ),
        (
            scheduled("priorityClassName: system-cluster-critical"),
            "tenancy: {priorityClasses: ['*']}",
            Some((&priority, "pods of the cluster itself")),
        ),
        (
            scheduled("priorityClassName: infra"),
            "tenancy: {priorityClasses: ['portal-*']}",
            Some((&priority, "tenancy.priorityClasses")),
        ),
        (
            scheduled("priorityClassName: portal-high"),
            "tenancy: {priorityClasses: ['portal-*']}",
            None,
        ),
        (all.clone(), "", Some((&toleration, "every taint"))),
        (empty, "", Some((&toleration, "every taint"))),
        (control_plane.clone(), "", Some((&key, "control plane"))),
        (
            scheduled("tolerations: [{key: node-role.kubernetes.io/master}]"),
            "",
            Some((&key, "control plane")),
        ),
        (nodes.clone(), "", Some((&selector, "control plane"))),
        (
            scheduled("tolerations: [{operator: Exists, effect: NoExecute}]"),
            "",
            Some((&toleration, "every taint")),
        ),
        (
            scheduled("tolerations: [{key: node-role.kubernetes.io/etcd, operator: Equal, value: 'true'}]"),
            "",
            Some((&key, "control plane")),
        ),
        (
            scheduled("tolerations: [{key: CriticalAddonsOnly, operator: Exists}]"),
            "",
            Some((&key, "control plane")),
        ),
        (
            scheduled("priorityClassName: system-anything"),
            "",
            Some((&priority, "pods of the cluster itself")),
        ),
        (all, allowed, None),
        (control_plane, allowed, None),
        (nodes, allowed, None),
        (
            scheduled(
                "tolerations: [{key: example.com/dedicated, value: portal}], nodeSelector: {example.com/pool: a}",
            ),
            "",
            None,
        ),
    ]);
}

#[test]
fn a_host_is_a_name_of_public_dns_and_a_path_is_no_pattern() {
    let exposed = |host: &str| with(&format!("exposure: {{host: '{host}'}}"));
    let host = |words| Some(("spec.exposure.host", words));
    let reserved = "for themselves";
    check(&[
        (exposed("a.example.edu"), "", None),
        (exposed("xn--bcher-kva.example"), "", None),
        (exposed("localhost"), "", host(reserved)),
        (exposed("portal.localhost"), "", host(reserved)),
        (exposed("intranet"), "", host(reserved)),
        (exposed("kubernetes.default.svc"), "", host(reserved)),
        (exposed("kubernetes.default.svc.cluster.local"), "", host(reserved)),
        (exposed("127.0.0.0x1"), "", host(reserved)),
        (exposed("127.0.0.1"), "", host("no host name")),
        (exposed("2130706433"), "", host("no host name")),
        (exposed("*.example.edu"), "", host("no host name")),
        (exposed("a.example.edu\n"), "", host("no host name")),
        (exposed("A.Example.edu"), "", host("no host name")),
        (exposed("a.example.edu."), "", host("no host name")),
        (exposed(".a.example.edu"), "", host("no host name")),
        (exposed("a..example.edu"), "", host("no host name")),
        (exposed("*.a.example.edu"), "", host("no host name")),
        (exposed("a_b.example.edu"), "", host("no host name")),
        (exposed("a.example.edu:8443"), "", host("no host name")),
        (exposed("a.example.edu/x"), "", host("no host name")),
        (exposed("a@b.example.edu"), "", host("no host name")),
        (exposed("::1"), "", host("no host name")),
        (exposed("[::1]"), "", host("no host name")),
        (exposed("bücher.example"), "", host("no host name")),
        (exposed("169.254.169.254"), "", host("no host name")),
        (exposed("169.254.43518"), "", host("no host name")),
        (exposed("0x7f.0x1"), "", host(reserved)),
        (exposed("ip6-localhost"), "", host(reserved)),
        (exposed("a.localhost.localdomain"), "", host(reserved)),
        (exposed("spring-web.spo.svc"), "", host(reserved)),
    ]);
    for path in [
        "/a.*", "/(a|b)", "/a$", "/^a", "/a+", "/[a]", "/a{2}", "/a;b", "/a\"", "/a b",
    ] {
        let path = serde_json::to_string(path).unwrap();
        let spec = format!(
            "services: [{{name: s, image: a, ports: [{{name: http, port: 80, path: {path}}}]}}]\nexposure: {{host: a.example.edu}}"
        );
        check(&[(spec, "", Some(("spec.services[0].ports[0].path", "pattern")))]);
    }
}

#[test]
fn classes_and_extensions_are_those_that_the_platform_allows() {
    let volume = |class: &str| {
        service(&format!(
            ", volumes: [{{name: v, path: /v, size: 1Gi, storageClassName: {class}}}]"
        ))
    };
    let extension = |name: &str| {
        with(&format!(
            "database: {{external: {{secretName: rds}}, databases: [{{name: portal, extensions: [{name}]}}]}}"
        ))
    };
    let of_class = Some(("spec.services[0].volumes[0].storageClassName", "tenancy.storageClasses"));
    let of_extension = Some(("spec.database.databases[0].extensions", "tenancy.databaseExtensions"));
    let exposed = with("exposure: {host: a.example.edu, ingressClassName: internal}");
    check(&[
        (volume("anything"), "", None),
        (volume("fast"), "tenancy: {storageClasses: [fast]}", None),
        (volume("other"), "tenancy: {storageClasses: [fast]}", of_class),
        (
            volume("own"),
            "{storage: {className: own}, tenancy: {storageClasses: []}}",
            None,
        ),
        (
            with(
                "database: {managed: {provider: Standalone, version: 17, size: 1Gi, storageClassName: other}, databases: [{name: a}]}",
            ),
            "tenancy: {storageClasses: [fast]}",
            Some(("spec.database.managed.storageClassName", "tenancy.storageClasses")),
        ),
        (extension("pg_trgm"), "", None),
        (extension("uuid-ossp"), "", None),
        (extension("dblink"), "", of_extension),
        (extension("postgres_fdw"), "", of_extension),
        (extension("file_fdw"), "", of_extension),
        (extension("plpython3u"), "", of_extension),
        (
            extension("postgis"),
            "tenancy: {databaseExtensions: ['postgis*']}",
            None,
        ),
        (exposed.clone(), "", None),
        (
            exposed.clone(),
            "tenancy: {ingressClasses: [public]}",
            Some(("spec.exposure.ingressClassName", "tenancy.ingressClasses")),
        ),
        (
            exposed,
            "{ingress: {className: internal}, tenancy: {ingressClasses: []}}",
            None,
        ),
    ]);
}

#[test]
fn hosts_issuers_registries_and_sizes_are_those_that_the_platform_allows() {
    let exposed = |host: &str| with(&format!("exposure: {{host: {host}, tls: {{issuer: campus}}}}"));
    let hosts = "tenancy: {hosts: [jobs.example.edu, '*.<namespace>.example.edu'], issuers: [campus]}";
    let of_host = Some(("spec.exposure.host", "*.spo.example.edu"));
    check(&[
        (exposed("anything.example.com"), "", None),
        (exposed("jobs.example.edu"), hosts, None),
        (exposed("a.spo.example.edu"), hosts, None),
        (exposed("a.b.spo.example.edu"), hosts, None),
        (exposed("spo.example.edu"), hosts, of_host),
        (exposed("a.evilspo.example.edu"), hosts, of_host),
        (exposed("a.other.example.edu"), hosts, of_host),
        (exposed("x.jobs.example.edu"), hosts, of_host),
        (exposed("jobs.example.edu.evil.example"), hosts, of_host),
        (
            exposed("a.example.edu"),
            "tenancy: {hosts: []}",
            Some(("spec.exposure.host", "use nothing")),
        ),
        (
            exposed("a.example.edu"),
            "tenancy: {issuers: [other]}",
            Some(("spec.exposure.tls.issuer", "tenancy.issuers")),
        ),
    ]);

    let image = |image: &str, sidecar: &str| {
        format!("services: [{{name: s, image: '{image}', sidecars: [{{name: a, image: '{sidecar}'}}]}}]")
    };
    let own = "registry.example.com/spo/web:1";
    let registries = "tenancy: {registries: [registry.example.com/<namespace>, mirror.example.com/]}";
    let refused = Some(("spec.services[0].image", "tenancy.registries"));
    check(&[
        (image("nginx", "anything"), "", None),
        (image(own, "mirror.example.com/proxy@sha256:0"), registries, None),
        (image("nginx", own), registries, refused),
        (image("registry.example.com/spoof/web:1", own), registries, refused),
        (image("registry.example.com/spo:1", own), registries, refused),
        (
            image("registry.example.com/spo/../other/web:1", own),
            registries,
            refused,
        ),
        (image("registry.example.com:5000/spo/web:1", own), registries, refused),
        (image("REGISTRY.example.com/spo/web:1", own), registries, refused),
        (
            image(own, "evil.example.com/registry.example.com/spo/web"),
            registries,
            Some(("spec.services[0].sidecars[0].image", "tenancy.registries")),
        ),
        // The image of the cache is the platform's.
        (
            format!("{}\ncache: {{memory: 64Mi}}", image(own, own)),
            registries,
            None,
        ),
    ]);

    let volume = |size: &str| service(&format!(", volumes: [{{name: v, path: /v, size: {size}}}]"));
    let database = |size: &str| {
        with(&format!(
            "database: {{managed: {{provider: Standalone, version: 17, size: {size}}}, databases: [{{name: a}}]}}"
        ))
    };
    let most = "tenancy: {maxVolumeSize: 10Gi}";
    let volumes = Some(("spec.services[0].volumes[0].size", "maxVolumeSize, 10Gi"));
    check(&[
        (volume("1Ti"), "", None),
        (volume("10Gi"), most, None),
        (volume("11Gi"), most, volumes),
        (volume("10737418241"), most, volumes),
        (volume("11e9"), most, volumes),
        (database("10240Mi"), most, None),
        (
            database("1Ti"),
            most,
            Some(("spec.database.managed.size", "tenancy.maxVolumeSize")),
        ),
    ]);
}

#[test]
fn a_host_that_another_drive_has_is_refused_and_tells_no_more_than_is_needed() {
    let drive = with_spec(&with("exposure: {host: a.example.edu}"));
    for (namespace, words, silent) in [
        ("spo", "drive \"other\"", "namespace"),
        ("alumni", "namespace \"alumni\"", "other\""),
    ] {
        let fetched = Fetched {
            host_taken_by: Some(DriveKey::new(namespace, "other")),
            ..Fetched::default()
        };
        let found = validate(&drive, &fetched, &platform::PlatformConfig::default()).unwrap_err();
        assert_eq!(found.reason(), Reason::HostTaken);
        let message = found.to_string();
        assert!(message.contains(words) && !message.contains(silent), "{message}");
    }
}

#[test]
fn a_secret_of_somebody_else_is_never_overwritten_with_a_certificate() {
    let fetched = Fetched {
        certificate_unowned: Some("was not created by this operator".to_owned()),
        ..Fetched::default()
    };
    let platform = platform::PlatformConfig::default();
    let drive = with_spec(&with("exposure: {host: a.example.edu, tls: {issuer: letsencrypt}}"));
    let found = validate(&drive, &fetched, &platform).unwrap_err();
    assert_eq!(found.reason(), Reason::ForeignObject);
    let message = found.to_string();
    for words in ["\"d-tls\"", "would overwrite", "exposure.tls.secretName"] {
        assert!(message.contains(words), "{message}");
    }
    // A mistake in the spec is told first.
    let drive = with_spec(&with("exposure: {host: localhost, tls: {issuer: letsencrypt}}"));
    let found = validate(&drive, &fetched, &platform).unwrap_err();
    assert_eq!(found.reason(), Reason::InvalidSpec);
}
