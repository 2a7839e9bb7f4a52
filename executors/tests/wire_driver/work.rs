//! Reads, writes, bulks, cursors, indexes.
use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::IndexModel;
use mongodb::error::ErrorKind;
use mongodb::options::{IndexOptions, ReturnDocument, WriteModel};

use crate::fresh;

/// Create, read, update, delete.
#[tokio::test]
async fn crud() {
    let (_server, client, items) = fresh().await;
    let one = items
        .insert_one(doc! {"name": "ink", "n": 1})
        .await
        .unwrap();
    assert!(one.inserted_id.as_object_id().is_some());
    let many: Vec<Document> = (2..=10).map(|n| doc! {"name": "pen", "n": n}).collect();
    assert_eq!(items.insert_many(many).await.unwrap().inserted_ids.len(), 9);
    let found = items
        .find_one(doc! {"n": {"$gt": 3}})
        .sort(doc! {"n": 1})
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.get_i32("n").unwrap(), 4);
    let updated = items
        .update_many(doc! {"name": "pen"}, doc! {"$inc": {"n": 100}})
        .await
        .unwrap();
    assert_eq!((updated.matched_count, updated.modified_count), (9, 9));
    let upserted = items
        .update_one(doc! {"name": "cap"}, doc! {"$set": {"n": 0}})
        .upsert(true)
        .await
        .unwrap();
    assert!(upserted.upserted_id.is_some());
    let replaced = items
        .replace_one(doc! {"name": "cap"}, doc! {"name": "hat"})
        .await
        .unwrap();
    assert_eq!(replaced.modified_count, 1);
    let after = items
        .find_one_and_update(doc! {"name": "hat"}, doc! {"$set": {"n": 5_i64}})
        .return_document(ReturnDocument::After)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(after.get_i64("n").unwrap(), 5);
    assert_eq!(items.count_documents(doc! {}).await.unwrap(), 11);
    assert_eq!(items.estimated_document_count().await.unwrap(), 11);
    assert_eq!(items.distinct("name", doc! {}).await.unwrap().len(), 3);
    assert_eq!(
        items
            .delete_many(doc! {"name": "pen"})
            .await
            .unwrap()
            .deleted_count,
        9
    );
    assert_eq!(client.list_database_names().await.unwrap(), ["shop"]);
    assert_eq!(
        client
            .database("shop")
            .list_collection_names()
            .await
            .unwrap(),
        ["items"]
    );
    items.drop().await.unwrap();
    assert!(
        client
            .database("shop")
            .list_collection_names()
            .await
            .unwrap()
            .is_empty()
    );
}

/// Cursors across batches, whose size changes on the way, and aggregations.
#[tokio::test]
async fn cursors() {
    let (server, _client, items) = fresh().await;
    let many: Vec<Document> = (0..1000).map(|n| doc! {"_id": n, "group": n % 7}).collect();
    items.insert_many(many).await.unwrap();
    for batch in [1, 7, 101, 5000] {
        let found: Vec<Document> = items
            .find(doc! {})
            .batch_size(batch)
            .sort(doc! {"_id": 1})
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(found.len(), 1000);
        assert!(
            found
                .iter()
                .enumerate()
                .all(|(n, d)| d.get_i32("_id").unwrap() == i32::try_from(n).unwrap())
        );
    }
    let groups = [
        doc! {"$group": {"_id": "$group", "n": {"$sum": 1}}},
        doc! {"$sort": {"_id": 1}},
    ];
    let sums: Vec<Document> = items
        .aggregate(groups)
        .batch_size(2)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(
        sums.iter().map(|d| d.get_i32("n").unwrap()).sum::<i32>(),
        1000
    );
    let mut left = items.find(doc! {}).batch_size(3).await.unwrap();
    assert!(left.advance().await.unwrap());
    assert_eq!(server.engine().open_cursors(), 1);
    drop(left);
    for _ in 0..100 {
        if server.engine().open_cursors() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("a cursor was not killed");
}

/// Many writes in one: ordered, unordered, and over several collections.
#[tokio::test]
async fn bulks() {
    let (_server, client, items) = fresh().await;
    let duplicates = vec![doc! {"_id": 1}, doc! {"_id": 1}, doc! {"_id": 2}];
    let error = items
        .insert_many(duplicates)
        .ordered(false)
        .await
        .unwrap_err();
    let ErrorKind::InsertMany(failed) = *error.kind else {
        panic!("another error: {error}");
    };
    let failed = failed.write_errors.unwrap();
    assert_eq!(
        (failed.len(), failed[0].index, failed[0].code),
        (1, 1, 11000)
    );
    let space = items.namespace();
    let models = vec![
        WriteModel::InsertOne(
            mongodb::options::InsertOneModel::builder()
                .namespace(space.clone())
                .document(doc! {"_id": 5})
                .build(),
        ),
        WriteModel::UpdateOne(
            mongodb::options::UpdateOneModel::builder()
                .namespace(space.clone())
                .filter(doc! {"_id": 5})
                .update(doc! {"$set": {"n": 1}})
                .build(),
        ),
        WriteModel::DeleteMany(
            mongodb::options::DeleteManyModel::builder()
                .namespace(space)
                .filter(doc! {"_id": {"$lt": 3}})
                .build(),
        ),
    ];
    let done = client.bulk_write(models).await.unwrap();
    assert_eq!(
        (done.inserted_count, done.modified_count, done.deleted_count),
        (1, 1, 2)
    );
}

/// Indexes: made, listed, obeyed, dropped.
#[tokio::test]
async fn indexes() {
    let (_server, _client, items) = fresh().await;
    let unique = IndexModel::builder()
        .keys(doc! {"code": 1})
        .options(IndexOptions::builder().unique(true).build())
        .build();
    assert_eq!(
        items.create_index(unique).await.unwrap().index_name,
        "code_1"
    );
    items.insert_one(doc! {"code": "a"}).await.unwrap();
    let twice = items.insert_one(doc! {"code": "a"}).await.unwrap_err();
    assert!(twice.to_string().contains("11000"), "{twice}");
    assert_eq!(items.list_index_names().await.unwrap(), ["_id_", "code_1"]);
    items.drop_index("code_1").await.unwrap();
    assert_eq!(items.list_index_names().await.unwrap(), ["_id_"]);
}

/// Raw commands, and errors with code and name.
#[tokio::test]
async fn commands() {
    let (_server, client, items) = fresh().await;
    let admin = client.database("admin");
    for name in [
        "ping",
        "hello",
        "buildInfo",
        "serverStatus",
        "hostInfo",
        "connectionStatus",
        "getCmdLineOpts",
        "listCommands",
    ] {
        assert_eq!(
            admin
                .run_command(doc! {name: 1})
                .await
                .unwrap()
                .get_f64("ok")
                .unwrap(),
            1.0,
            "{name}"
        );
    }
    let wrong = items.find(doc! {"$noSuch": 1}).await.unwrap_err();
    let ErrorKind::Command(wrong) = *wrong.kind else {
        panic!("another error: {wrong}");
    };
    assert_eq!((wrong.code, wrong.code_name.as_str()), (2, "BadValue"));
}

/// A client through the replica set's name instead of a direct connection.
#[tokio::test]
async fn replica_set() {
    let (server, _client, _) = fresh().await;
    let uri = format!("mongodb://{}/?replicaSet=rs0", server.address());
    let client = mongodb::Client::with_uri_str(uri).await.unwrap();
    let items = client.database("shop").collection::<Document>("items");
    items.insert_one(doc! {"_id": 1}).await.unwrap();
    assert_eq!(items.count_documents(doc! {}).await.unwrap(), 1);
}

/// A write whose connection breaks, or that fails for now, is tried again by the driver; what fails for good is reported.
#[tokio::test]
async fn failing_on_demand() {
    let (_server, client, items) = fresh().await;
    let admin = client.database("admin");
    let fail = |what: Document| {
        let mut data = doc! {"failCommands": ["insert"]};
        data.extend(what);
        admin.run_command(
            doc! {"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": data},
        )
    };
    fail(doc! {"closeConnection": true}).await.unwrap();
    items.insert_one(doc! {"_id": 1}).await.unwrap();
    fail(doc! {"errorCode": 91}).await.unwrap();
    items.insert_one(doc! {"_id": 2}).await.unwrap();
    fail(doc! {"errorCode": 2}).await.unwrap();
    assert!(items.insert_one(doc! {"_id": 3}).await.is_err());
    assert_eq!(items.count_documents(doc! {}).await.unwrap(), 2);
}
