//! The account at the authority.

use std::sync::Arc;

use instant_acme::{Account, AccountCredentials, Error, NewAccount};

use crate::{
    OrderError, Settings, Store,
    http::{Budget, Http},
};

/// The authority does not know the account any more.
const UNKNOWN: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// That which is kept, or else a new one.
pub(crate) async fn open(
    settings: &Settings,
    store: &Store,
    budget: &Arc<Budget>,
) -> Result<Account, OrderError> {
    match kept(settings, store, budget).await? {
        Some(account) => Ok(account),
        None => create(settings, store, budget).await,
    }
}

/// That which is kept; `None` if there is none that can be used.
pub(crate) async fn kept(
    settings: &Settings,
    store: &Store,
    budget: &Arc<Budget>,
) -> Result<Option<Account>, OrderError> {
    let kept = store
        .read_account()
        .map_err(|error| OrderError::file(&store.account(), &error))?;
    let Some(kept) = kept else {
        return Ok(None);
    };
    // Whoever can write the file must not be able to send the account's signatures elsewhere.
    let is_right = |kept: &AccountCredentials| {
        let text = serde_json::to_value(kept).ok();
        text.is_some_and(|text| text["directory"] == settings.directory.as_str())
    };
    match serde_json::from_slice::<AccountCredentials>(&kept) {
        Ok(kept) if is_right(&kept) => {
            let builder = Account::builder_with_http(Box::new(client(settings, budget)));
            Ok(Some(builder.from_credentials(kept).await?))
        }
        _ => {
            log::warn!(
                "{} is not an account of {}: another one is needed",
                store.account().display(),
                settings.directory
            );
            Ok(None)
        }
    }
}

/// A new account, which is kept before it is used.
pub(crate) async fn create(
    settings: &Settings,
    store: &Store,
    budget: &Arc<Budget>,
) -> Result<Account, OrderError> {
    let contact = settings
        .email
        .as_ref()
        .map(|email| format!("mailto:{email}"));
    let contact: Vec<_> = contact.as_deref().into_iter().collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: settings.agrees_to_terms,
        only_return_existing: false,
    };
    let builder = Account::builder_with_http(Box::new(client(settings, budget)));
    let directory = settings.directory.to_string();
    let (account, credentials) = builder.create(&new, directory, None).await?;
    let json = serde_json::to_vec(&credentials).map_err(OrderError::new)?;
    store
        .write_account(&json)
        .map_err(|error| OrderError::file(&store.account(), &error))?;
    Ok(account)
}

pub(crate) fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::Api(problem) if problem.r#type.as_deref() == Some(UNKNOWN))
}

fn client(settings: &Settings, budget: &Arc<Budget>) -> Http {
    let (directory, roots) = (&settings.directory, &settings.roots);
    Http::new(directory, roots, Arc::clone(budget))
}
