//! Data sources, folders and dashboards.

use serde_json::{Value, json};

use super::schema;
use super::{Reply, Request, State, message};

/// A dashboard with its history.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) json: Value,
    pub(crate) folder: String,
    pub(crate) version: u64,
}

pub(super) fn answer(state: &mut State, parts: &[&str], request: &Request) -> Reply {
    match (request.method.as_str(), parts) {
        ("GET", ["datasources"]) => state
            .denied(&["datasources:read"])
            .unwrap_or_else(|| (200, json!(state.datasources))),
        ("GET", ["datasources", "uid", uid]) => {
            let found = state.datasources.iter().find(|one| one["uid"] == *uid);
            let found = found.map(|one| (200, one.clone()));
            state
                .denied(&["datasources:read"])
                .or(found)
                .unwrap_or_else(|| message(404, "Data source not found"))
        }
        ("GET", ["datasources", "uid", _, "health"]) => (
            200,
            json!({"message": "Successfully queried the Prometheus API.", "status": "OK"}),
        ),
        ("GET", ["folders"]) => {
            let all = state.folders.iter();
            (
                200,
                all.map(|(uid, title)| json!({"uid": uid, "title": title}))
                    .collect(),
            )
        }
        ("POST", ["folders"]) => make_folder(state, &request.body),
        ("GET", ["search"]) => search(state, request),
        ("GET", ["dashboards", "uid", uid]) => match state.dashboards.get(*uid) {
            Some(stored) => {
                let mut json = stored.json.clone();
                json["id"] = json!(100);
                json["version"] = json!(stored.version);
                let meta = json!({"folderUid": stored.folder, "version": stored.version, "provisioned": false});
                (200, json!({"dashboard": json, "meta": meta}))
            }
            None => message(404, "Dashboard not found"),
        },
        ("POST", ["dashboards", "db"]) => save(state, &request.body),
        _ => message(404, "Not found"),
    }
}

fn make_folder(state: &mut State, body: &Value) -> Reply {
    if let Some(denied) = state.denied(&["folders:create"]) {
        return denied;
    }
    let folder: schema::Folder = match schema::parse(body) {
        Ok(folder) => folder,
        Err(reason) => return message(400, &reason),
    };
    if state.folders.contains_key(&folder.uid) {
        return message(409, "a folder with the same uid already exists");
    }
    // 11 and later allow two folders of the same title.
    if state.major() < 11 && state.folders.values().any(|title| *title == folder.title) {
        return message(
            409,
            "a folder with the same name already exists in the current location",
        );
    }
    state
        .folders
        .insert(folder.uid.clone(), folder.title.clone());
    let (uid, title) = (folder.uid, folder.title);
    (
        200,
        json!({"id": 1, "uid": uid, "title": title, "version": 1, "url": format!("/dashboards/f/{uid}/x")}),
    )
}

fn search(state: &State, request: &Request) -> Reply {
    let query = request
        .query
        .get("query")
        .map_or("", String::as_str)
        .to_lowercase();
    let folder = request.query.get("folderUIDs");
    let found = state.dashboards.iter().filter(|(_, stored)| {
        let title = stored.json["title"]
            .as_str()
            .unwrap_or_default()
            .to_lowercase();
        title.contains(&query) && folder.is_none_or(|uid| *uid == stored.folder)
    });
    let shown = found.map(|(uid, stored)| {
        json!({"uid": uid, "title": stored.json["title"], "type": "dash-db", "folderUid": stored.folder})
    });
    (200, shown.collect())
}

fn save(state: &mut State, body: &Value) -> Reply {
    if let Some(denied) = state.denied(&["dashboards:write"]) {
        return denied;
    }
    let saved: schema::SaveDashboard = match schema::parse(body) {
        Ok(saved) => saved,
        Err(reason) => return message(422, &reason),
    };
    // Left out, it moves the dashboard to the root.
    let folder = saved.folder_uid.unwrap_or_default();
    if !folder.is_empty() && !state.folders.contains_key(&folder) {
        return message(404, "folder not found");
    }
    let json = body["dashboard"].clone();
    let mut uid = saved.dashboard.uid;
    let namesake = state.dashboards.iter().find(|(other, stored)| {
        **other != uid && stored.folder == folder && stored.json["title"] == json["title"]
    });
    if let Some((other, _)) = namesake {
        if !saved.overwrite {
            let text = "A dashboard with the same name in the folder already exists";
            return (412, json!({"message": text, "status": "name-exists"}));
        }
        // As versions before 11 do: the other one is replaced.
        uid = other.clone();
    }
    let version = state
        .dashboards
        .get(&uid)
        .map_or(0, |stored| stored.version);
    if version > 0 && !saved.overwrite && saved.dashboard.version != Some(version) {
        let text = "The dashboard has been changed by someone else";
        return (412, json!({"message": text, "status": "version-mismatch"}));
    }
    let version = version + 1;
    let stored = Stored {
        json,
        folder,
        version,
    };
    state.dashboards.insert(uid.clone(), stored);
    (
        200,
        json!({"id": 100, "uid": uid, "url": format!("/d/{uid}/x"), "status": "success", "version": version}),
    )
}
