// Writes the account "home" with a password of its own into the accounts' file, and the password beside it.
const crypto = require("crypto");
const fs = require("fs");
const bcrypt = require("bcryptjs");

const folder = "/srv/node-red";
const password = crypto.randomBytes(12).toString("base64url");
const account = { username: "home", password: bcrypt.hashSync(password, 8), permissions: "*" };
fs.writeFileSync(`${folder}/password`, `${password}\n`);
fs.writeFileSync(`${folder}/users.json`, `${JSON.stringify([account], null, 2)}\n`);
