//! Sessions and transactions through the driver.
use bson::{Document, doc};
use mongodb::error::{ErrorKind, TRANSIENT_TRANSACTION_ERROR};

use crate::fresh;

/// Committed work is seen by others, aborted work is gone.
#[tokio::test]
async fn commit_and_abort() {
    let (_server, client, items) = fresh().await;
    items.insert_one(doc! {"_id": 0}).await.unwrap();
    let mut session = client.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    items
        .insert_one(doc! {"_id": 1})
        .session(&mut session)
        .await
        .unwrap();
    assert_eq!(items.count_documents(doc! {}).await.unwrap(), 1);
    assert_eq!(
        items
            .count_documents(doc! {})
            .session(&mut session)
            .await
            .unwrap(),
        2
    );
    session.commit_transaction().await.unwrap();
    assert_eq!(items.count_documents(doc! {}).await.unwrap(), 2);
    session.start_transaction().await.unwrap();
    items
        .delete_many(doc! {})
        .session(&mut session)
        .await
        .unwrap();
    session.abort_transaction().await.unwrap();
    assert_eq!(items.count_documents(doc! {}).await.unwrap(), 2);
}

/// The second of two writers of a document fails, with a label that says to try again.
#[tokio::test]
async fn conflict() {
    let (_server, client, items) = fresh().await;
    items.insert_one(doc! {"_id": 0, "n": 0}).await.unwrap();
    let mut first = client.start_session().await.unwrap();
    let mut second = client.start_session().await.unwrap();
    first.start_transaction().await.unwrap();
    second.start_transaction().await.unwrap();
    let more = doc! {"$inc": {"n": 1}};
    items
        .update_one(doc! {}, more.clone())
        .session(&mut first)
        .await
        .unwrap();
    let refused = items
        .update_one(doc! {}, more)
        .session(&mut second)
        .await
        .unwrap_err();
    assert!(
        refused.contains_label(TRANSIENT_TRANSACTION_ERROR),
        "{refused}"
    );
    assert!(
        matches!(&*refused.kind, ErrorKind::Command(e) if e.code == 112),
        "{refused}"
    );
    first.commit_transaction().await.unwrap();
    assert_eq!(
        items
            .find_one(doc! {})
            .await
            .unwrap()
            .unwrap()
            .get_i32("n")
            .unwrap(),
        1
    );
}

/// Transfers by many at once, each retried by the driver: nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers() {
    let (_server, client, items) = fresh().await;
    items
        .insert_many([doc! {"_id": "a", "n": 100}, doc! {"_id": "b", "n": 0}])
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let (client, items) = (client.clone(), items.clone());
        tasks.push(tokio::spawn(async move {
            let mut session = client.start_session().await.unwrap();
            for _ in 0..5 {
                let items = items.clone();
                session
                    .start_transaction()
                    .and_run2(async move |session| {
                        items
                            .update_one(doc! {"_id": "a"}, doc! {"$inc": {"n": -1}})
                            .session(&mut *session)
                            .await?;
                        items
                            .update_one(doc! {"_id": "b"}, doc! {"$inc": {"n": 1}})
                            .session(&mut *session)
                            .await?;
                        Ok(())
                    })
                    .await
                    .unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let n = |d: Option<Document>| d.unwrap().get_i32("n").unwrap();
    assert_eq!(n(items.find_one(doc! {"_id": "a"}).await.unwrap()), 80);
    assert_eq!(n(items.find_one(doc! {"_id": "b"}).await.unwrap()), 20);
}
