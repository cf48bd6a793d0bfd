CREATE DATABASE IF NOT EXISTS coppermine CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'www-data'@'localhost' IDENTIFIED VIA unix_socket;
GRANT ALL ON coppermine.* TO 'www-data'@'localhost';
