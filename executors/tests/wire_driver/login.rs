//! Passwords.
use bson::{Document, doc};
use mongodb::Client;
use mqlc_executors::wire::WireOptions;

/// The right password opens the server, a wrong one, an unknown user and none at all do not.
#[tokio::test]
async fn passwords() {
    let server = WireOptions::new()
        .password("ada l", "p@ss/wörd,=")
        .start()
        .unwrap();
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let items = client.database("shop").collection::<Document>("items");
    items.insert_one(doc! {"_id": 1}).await.unwrap();
    assert_eq!(items.count_documents(doc! {}).await.unwrap(), 1);
    let status = client
        .database("admin")
        .run_command(doc! {"connectionStatus": 1})
        .await
        .unwrap();
    let users = status
        .get_document("authInfo")
        .unwrap()
        .get_array("authenticatedUsers")
        .unwrap();
    assert_eq!(users.len(), 1);
    let address = server.address();
    for login in ["ada%20l:wrong@", "bob:p%40ss@", ""] {
        let uri = format!(
            "mongodb://{login}{address}/?directConnection=true&serverSelectionTimeoutMS=2000"
        );
        let client = Client::with_uri_str(uri).await.unwrap();
        let items = client.database("shop").collection::<Document>("items");
        assert!(items.count_documents(doc! {}).await.is_err(), "{login}");
    }
    assert_eq!(items.count_documents(doc! {}).await.unwrap(), 1);
}
