console.log(require("lantern-alpha").version)
