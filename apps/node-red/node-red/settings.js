// What differs from Node-RED's defaults. Accounts are in users.json of the data folder, as adminAuth has them.
const fs = require("fs");

const folder = "/srv/node-red";

module.exports = {
  uiPort: 1880,
  userDir: folder,
  flowFile: "flows.json",
  flowFilePretty: true,
  adminAuth: { type: "credentials", users: JSON.parse(fs.readFileSync(`${folder}/users.json`, "utf8")) },
  telemetry: { enabled: false, updateNotification: false },
  logging: { console: { level: "info", metrics: false, audit: false } },
};
