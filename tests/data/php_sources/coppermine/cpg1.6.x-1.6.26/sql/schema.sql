CREATE TABLE CPG_config (name VARCHAR(40) PRIMARY KEY, value VARCHAR(255));
CREATE TABLE CPG_users (user_name VARCHAR(25), user_password VARCHAR(255), user_email VARCHAR(255));
