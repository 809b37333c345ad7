//! Log-in of administrators, and the users with their live budgets.

use serde_json::{Value, json};
use tests::Scene;
use tests::client::Answer;
use tests::fixtures::{MODEL, chat_with};
use tests::money::{euros, nano, nano_of};

async fn log_in(scene: &Scene, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    scene.client().post("/admin/auth/login", &body).send().await
}

/// A session of the seeded administrator.
async fn session(scene: &Scene) -> String {
    let admin = &scene.facts().admin;
    let answer = log_in(scene, &admin.email, &admin.password).await.expect(200).json();
    answer["access_token"].as_str().expect("a token").to_owned()
}

/// All users, page by page.
async fn users(scene: &Scene, token: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/admin/users?limit=3{cursor}");
        let mut page = scene.client().get(&path).bearer(token).send().await.expect(200).json();
        all.append(page["users"].as_array_mut().expect("users"));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn the_seeded_administrator_logs_in_and_sees_live_budgets() {
    let scene = Scene::start().await;
    let (spender, saver) = (scene.user_with_budget("1").await, scene.user_with_budget("0.25").await);
    spender.chat(&chat_with(json!({}))).send().await.expect(200);
    let token = session(&scene).await;
    let me = scene.client().get("/admin/me").bearer(&token).send().await.expect(200).json();
    assert_eq!((&me["email"], &me["role"]), (&json!(scene.facts().admin.email), &json!("admin")));
    let all = users(&scene, &token).await;
    for user in [&spender, &saver] {
        let listed = all.iter().find(|listed| listed["id"] == user.id).expect("the user in the list");
        let money = user.money().await;
        assert_eq!(listed["budget_live"], true);
        assert_eq!((nano(&listed["budget_total"]), nano(&listed["budget_used"])), (money.limit, money.used));
        assert_eq!(nano_of(&euros(money.remaining)), nano(&listed["budget_remaining"]));
        assert!(listed.get("password_hash").is_none());
    }
    scene.upstream().expect_calls(&[(MODEL, 1)]);
    scene.end().await;
}

#[tokio::test]
async fn wrong_credentials_get_one_and_the_same_answer() {
    let scene = Scene::start().await;
    let user = scene.user(json!({"budget_total": "1", "email": "no-password@tests.example"})).await;
    let email = scene.facts().admin.email.clone();
    let known = log_in(&scene, &email, "wrong").await;
    let problem = known.expect_problem_json(401, "wrong_credentials");
    for (email, password) in [("nobody@tests.example", "wrong"), ("no-password@tests.example", &user.key)] {
        let other = log_in(&scene, email, password).await.expect_problem_json(401, "wrong_credentials");
        assert_eq!(other["detail"], problem["detail"]);
    }
    scene.end().await;
}

#[tokio::test]
async fn only_a_valid_session_opens_the_administration() {
    let scene = Scene::start().await;
    let user = scene.user_with_budget("1").await;
    let token = session(&scene).await;
    let (head, rest) = token.split_once('.').expect("a token of three parts");
    let (claims, _) = rest.split_once('.').expect("a token of three parts");
    let unsigned = format!("{head}.{claims}.");
    let mut forged = token.clone();
    forged.replace_range(token.len() - 2.., if token.ends_with("AA") { "BB" } else { "AA" });
    for path in ["/admin/me", "/admin/users"] {
        scene.client().get(path).send().await.expect_problem_json(401, "not_logged_in");
        for wrong in [unsigned.as_str(), &forged, "nonsense", &user.key] {
            let answer = scene.client().get(path).bearer(wrong).send().await;
            answer.expect_problem_json(401, "not_logged_in");
        }
    }
    scene.end().await;
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let scene = Scene::start().await;
    let token = session(&scene).await;
    scene.client().get("/admin/me").bearer(&token).send().await.expect(200);
    scene.host().set_clock_ahead(16 * 60 * 1_000).await;
    let over = scene.client().get("/admin/me").bearer(&token).send().await;
    over.expect_problem_json(401, "not_logged_in");
    scene.host().set_clock_ahead(0).await;
    scene.end().await;
}

#[tokio::test]
async fn too_many_attempts_lock_an_account_whether_it_exists_or_not() {
    let scene = Scene::start().await;
    for email in ["locked@tests.example", "no-such-user@tests.example"] {
        for _ in 0..10 {
            log_in(&scene, email, "wrong").await.expect_problem_json(401, "wrong_credentials");
        }
        let locked = log_in(&scene, email, "wrong").await;
        locked.expect_problem_json(429, "too_many_attempts");
        assert!(
            locked.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=900).contains(&seconds))
        );
    }
    scene.end().await;
}

#[tokio::test]
async fn an_account_that_cannot_be_reached_does_not_hide_the_others() {
    let scene = Scene::start().await;
    let (broken, fine) = (scene.user_with_budget("1").await, scene.user_with_budget("1").await);
    scene.host().break_ledger(&broken.id, "fail").await;
    let token = session(&scene).await;
    let all = users(&scene, &token).await;
    let live =
        |id: &str| all.iter().find(|listed| listed["id"] == id).map(|listed| listed["budget_live"] == true);
    assert_eq!((live(&broken.id), live(&fine.id)), (Some(false), Some(true)));
    scene.host().mend_ledger(&broken.id).await;
    scene.end().await;
}
