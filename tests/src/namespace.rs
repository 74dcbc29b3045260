use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ObjectMeta, PostParams},
};

use crate::{Error, apply_yaml, eventually};

/// A namespace that belongs to one test. It is left to the end of the control plane, unless deleted.
pub struct TestNamespace {
    client: Client,
    name: String,
}

impl TestNamespace {
    /// Makes it, and returns when pods can be created in it.
    pub async fn create(client: Client, name: String) -> Result<Self, Error> {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        // Tests read the same keys from namespaces of many names; those of the policies set this annotation as a platform would.
        let any_key = ("policies.ras.dev/allowed-external-keys".to_owned(), "*".to_owned());
        let metadata = ObjectMeta {
            name: Some(name.clone()),
            annotations: Some([any_key].into()),
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata,
            ..Namespace::default()
        };
        let creating = format!("creating namespace {name}");
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .map_err(Error::api(creating))?;
        // Until the controller has made it, a pod without a ServiceAccount of its own is refused.
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name);
        let waiting = format!("the ServiceAccount `default` in {name}");
        eventually(Duration::from_secs(20), &waiting, async || {
            Ok(accounts.get("default").await?)
        })
        .await?;
        Ok(Self { client, name })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A client in `system:masters`, made for the test that made this namespace.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// One kind's objects in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client(), &self.name)
    }

    /// Applies YAML documents as `kubectl apply --server-side` would; see [`apply_yaml`].
    pub async fn apply(&self, text: &str) -> Result<Vec<DynamicObject>, Error> {
        apply_yaml(&self.client, &self.name, text).await
    }

    /// Deletes it with everything in it, without waiting for the end of that.
    pub async fn delete(self) -> Result<(), Error> {
        let namespaces: Api<Namespace> = Api::all(self.client);
        let deleting = format!("deleting namespace {}", self.name);
        namespaces
            .delete(&self.name, &DeleteParams::default())
            .await
            .map(drop)
            .map_err(Error::api(deleting))
    }

    /// Deletes it and waits until everything in it is gone.
    pub async fn delete_whole(self, limit: Duration) -> Result<(), Error> {
        let namespaces: Api<Namespace> = Api::all(self.client());
        let name = self.name.clone();
        self.delete().await?;
        eventually(
            limit,
            &format!("the end of namespace {name}"),
            async || match namespaces.get_opt(&name).await? {
                None => Ok(()),
                Some(namespace) => Err(format!("{:?}", namespace.status).into()),
            },
        )
        .await
    }
}
