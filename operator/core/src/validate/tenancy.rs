//! Hosts, issuers, registries and sizes that the platform lets drives of a namespace ask for: what the admission policies say by
//! annotations of the Namespace, for clusters without them.

use ras_crds::{Quantity, RecruitmentDriveSpec};

use super::field_errors::FieldErrors;
use crate::platform::TenancyConfig;

pub(super) fn check(namespace: &str, spec: &RecruitmentDriveSpec, tenancy: &TenancyConfig, found: &mut FieldErrors) {
    if let Some(exposure) = &spec.exposure {
        if !tenancy.allows_host(namespace, &exposure.host) {
            found.invalid(
                "spec.exposure.host",
                refused(&exposure.host, "tenancy.hosts", &tenancy.host_patterns(namespace)),
            );
        }
        if let Some(issuer) = exposure.tls.as_ref().and_then(|tls| tls.issuer.as_ref())
            && !tenancy.allows_issuer(issuer)
        {
            let issuers = tenancy.issuers.clone().unwrap_or_default();
            found.invalid("spec.exposure.tls.issuer", refused(issuer, "tenancy.issuers", &issuers));
        }
    }
    for (index, service) in spec.services.iter().enumerate() {
        let field = format!("spec.services[{index}]");
        let sidecars = service.sidecars.iter().enumerate();
        let sidecars = sidecars.map(|(number, sidecar)| (format!("{field}.sidecars[{number}].image"), &sidecar.image));
        let before = service.init_containers.iter().enumerate();
        let before = before.filter_map(|(number, container)| {
            Some((
                format!("{field}.initContainers[{number}].image"),
                container.image.as_ref()?,
            ))
        });
        let migration = service.migrate.as_ref().and_then(|migrate| migrate.image.as_ref());
        let migration = migration.map(|image| (format!("{field}.migrate.image"), image));
        let images = std::iter::once((format!("{field}.image"), &service.image));
        for (field, image) in images.chain(sidecars).chain(before).chain(migration) {
            if !tenancy.allows_image(namespace, image) {
                let registries = tenancy.registry_patterns(namespace);
                found.invalid(field, refused(image, "tenancy.registries", &registries));
            }
        }
        for (number, volume) in service.volumes.iter().enumerate() {
            size(
                &format!("{field}.volumes[{number}]"),
                volume.size.as_ref(),
                tenancy,
                found,
            );
        }
    }
    for (number, volume) in spec.volumes.iter().enumerate() {
        size(&format!("spec.volumes[{number}]"), Some(&volume.size), tenancy, found);
    }
    let managed = spec.database.as_ref().and_then(|database| database.managed.as_ref());
    size(
        "spec.database.managed",
        managed.map(|managed| &managed.size),
        tenancy,
        found,
    );
}

fn size(field: &str, asked: Option<&Quantity>, tenancy: &TenancyConfig, found: &mut FieldErrors) {
    if let (Some(asked), Some(most)) = (asked, &tenancy.max_volume_size)
        && asked.millis() > most.millis()
    {
        found.invalid(
            format!("{field}.size"),
            format!("{asked} is more than the platform's tenancy.maxVolumeSize, {most}: ask for less, or ask the platform team"),
        );
    }
}

fn refused(asked: &str, setting: &str, allowed: &[String]) -> String {
    let allowed = if allowed.is_empty() {
        "nothing".to_owned()
    } else {
        allowed.join(", ")
    };
    format!("{asked:?} is not among the platform's {setting}: use {allowed}, or ask the platform team to add it")
}
