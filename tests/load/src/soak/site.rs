//! Where it all happens: a control plane, an object store, four namespaces, and the operators' ways to them.

use std::net::SocketAddr;
use std::path::Path;

use kube::Client;
use ras_tests::object_store::{ObjectStore, StoreKind};
use ras_tests::{Cluster, Error, FakeKubelet, FaultProxy, ForeignProject, OperatorOptions, ROLES, TestNamespace};

use super::proxy::ApiProxy;

/// Two namespaces each.
pub struct Land {
    pub home: TestNamespace,
    pub other: TestNamespace,
}

impl Land {
    async fn new(cluster: &Cluster, prefix: &str) -> Result<Self, Error> {
        let land = Self {
            home: cluster.namespace(prefix).await?,
            other: cluster.namespace(prefix).await?,
        };
        for namespace in [&land.home, &land.other] {
            namespace
                .apply("apiVersion: v1\nkind: Secret\nmetadata: {name: s3}\nstringData: {AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key}\n")
                .await?;
        }
        Ok(land)
    }

    pub fn names(&self) -> [String; 2] {
        [self.home.name().to_owned(), self.other.name().to_owned()]
    }
}

pub struct Site {
    pub cluster: Cluster,
    /// Does not try again by itself: a soak whose own requests hang would do nothing meanwhile.
    pub client: Client,
    pub store: ObjectStore,
    pub store_proxy: FaultProxy,
    pub pair: Land,
    pub pair_proxy: ApiProxy,
    pub steady: Land,
    pub steady_proxy: ApiProxy,
    folder: tempfile::TempDir,
    _jobs: FakeKubelet,
}

impl Site {
    pub async fn start(seed: u64) -> Result<Self, Error> {
        let cluster = Cluster::start().await?;
        cluster.install_crd().await?;
        cluster.install(ForeignProject::PrometheusOperator).await?;
        let mut config = cluster.config();
        config.default_retry = false;
        let client = Client::try_from(config).map_err(Error::api("making a client"))?;
        let store = ObjectStore::start(StoreKind::Versitygw).await?;
        let store_proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], store.port()))).await?;
        let folder = tempfile::tempdir().map_err(Error::io("making a temporary folder"))?;
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", store.access_key()),
            ("AWS_SECRET_ACCESS_KEY", store.secret_key()),
        ] {
            std::fs::write(folder.path().join(name), value).map_err(Error::io(format!("writing {name}")))?;
        }
        let description = cluster.description();
        let proxy = async |seed| ApiProxy::start(&description.server, &description.certificate_authority, seed).await;
        Ok(Self {
            pair: Land::new(&cluster, "pair").await?,
            pair_proxy: proxy(seed).await?,
            steady: Land::new(&cluster, "steady").await?,
            steady_proxy: proxy(seed.wrapping_add(1)).await?,
            // No pod runs here, and what a database is asked for is proven elsewhere.
            _jobs: FakeKubelet::pretend(cluster.client()?),
            cluster,
            client,
            store,
            store_proxy,
            folder,
        })
    }

    /// How an operator runs that looks after these two namespaces.
    pub fn options(&self, land: &Land, proxy: Option<&ApiProxy>) -> Result<OperatorOptions, Error> {
        // Twins' operators, too: programs are told the store's address.
        let config = self.folder.path().join("platform.yaml");
        self.write_settings(&config, &self.store_proxy.endpoint())?;
        let mut options = OperatorOptions::with_roles(ROLES).cluster_wide();
        for namespace in land.names() {
            options = options.argument("--namespace").argument(namespace);
        }
        options = options
            .argument("--platform-config")
            .argument(config.display().to_string());
        Ok(match proxy {
            Some(proxy) => options.by_way_of(proxy.url()),
            None => options,
        })
    }

    /// Two more namespaces, in which nothing ever happened.
    pub async fn land(&self, prefix: &str) -> Result<Land, Error> {
        Land::new(&self.cluster, prefix).await
    }

    fn write_settings(&self, config: &Path, endpoint: &str) -> Result<(), Error> {
        let settings = format!(
            "objectStore: {{endpoint: '{endpoint}', region: {}, credentialsDirectory: '{}', programs: {{secretName: s3}}, bucketPrefix: soak}}\n",
            self.store.region(),
            self.folder.path().display()
        );
        std::fs::write(config, settings).map_err(Error::io(format!("writing {}", config.display())))
    }
}
