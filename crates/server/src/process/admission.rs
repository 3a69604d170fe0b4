//! Who may publish and read, and who operates the server, as the settings say; and the files that say so.

use std::sync::Arc;

use sse_broadcaster_access::revocation::Revocations;
use sse_broadcaster_actix::{Access, Authorization, KeyRing, Publishers, SubscribeAccess};
use sse_broadcaster_mercure::Hub;

use super::{
    authorization::{self, Opened},
    error::ServeError,
    key_file::{KeySetting, Watched},
    mercure,
};
use crate::{
    config::{BadSetting, Config},
    http::listen::Listeners,
};

/// Ready for the routes.
pub(crate) struct Admission {
    pub(crate) access: Access,
    pub(crate) authorization: Authorization,
    /// `None` where no client can get a grant.
    pub(crate) revocations: Option<Arc<Revocations>>,
    pub(crate) hub: Option<Arc<Hub>>,
    pub(crate) admin_keys: KeyRing,
}

impl Admission {
    /// Reads all keys, and returns the files that are read again when they change.
    ///
    /// # Errors
    /// Settings that are missing, not valid, or contradict each other; files that cannot be read.
    pub(crate) fn read(
        config: &Config,
        listeners: &Listeners,
    ) -> Result<(Self, Vec<Watched>), ServeError> {
        let (keys, publish_file) = publish_keys(config)?.load()?;
        config.check_publishing(&listeners.addresses(), !keys.is_empty())?;
        let Opened {
            authorization,
            revocations,
            watched,
            grantors,
        } = authorization::open(config)?;
        let hub = mercure::open(config, grantors)?;
        let (hub, hub_files) = hub.map(|opened| (opened.hub, opened.watched)).unzip();
        let (admin_keys, admin_file) = admin_keys(config)?.load()?;
        let files = [publish_file, watched, hub_files.flatten(), admin_file];
        let admission = Self {
            access: access(config, &keys),
            authorization,
            revocations,
            hub,
            admin_keys,
        };
        Ok((admission, files.into_iter().flatten().collect()))
    }

    /// Who may publish, for people.
    pub(crate) fn publishers(&self, config: &Config) -> String {
        let publishers = &self.access.publishers;
        match publishers {
            Publishers::Keys(_) if gives_publish_grants(config) => {
                format!("{publishers}, and clients whose token or session grants it")
            }
            _ => publishers.to_string(),
        }
    }

    /// Whether there are events that some clients may not read.
    pub(crate) fn has_private_events(&self, config: &Config) -> bool {
        self.authorization.subscribe_access() != SubscribeAccess::Open
            || !config.presence.presence.is_empty()
    }
}

fn admin_keys(config: &Config) -> Result<KeySetting, BadSetting> {
    Ok(KeySetting {
        name: "keys of operators",
        file_flag: "--admin-key-file",
        fixed: config.checked_admin_keys()?,
        file: config.access.admin_key_file.clone(),
    })
}

fn publish_keys(config: &Config) -> Result<KeySetting, BadSetting> {
    Ok(KeySetting {
        name: "publish keys",
        file_flag: "--publish-key-file",
        fixed: config.checked_keys()?,
        file: config.publish_key_file.clone(),
    })
}

fn gives_publish_grants(config: &Config) -> bool {
    config.access.has_grants() || config.mercure.has_publisher_key()
}

fn access(config: &Config, keys: &KeyRing) -> Access {
    let publishers = if config.no_publish {
        Publishers::Nobody
    } else if !keys.is_empty() {
        Publishers::Keys(keys.clone())
    } else if config.allow_anonymous_publish {
        Publishers::Anyone
    } else if gives_publish_grants(config) {
        Publishers::Granted
    } else {
        Publishers::Local
    };
    let given = |texts: &[String]| {
        let given = texts.iter().filter(|text| !text.is_empty());
        given.cloned().collect::<Vec<_>>()
    };
    Access::default()
        .publishers(publishers)
        .publish_origins(given(&config.publish_origin))
        .read_origins(given(&config.cors_origin))
        .hosts(given(&config.host))
        .get_publishes(!config.no_get_publish)
        .max_per_address(config.max_subscribers_per_address)
}
