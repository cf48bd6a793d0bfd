CREATE DATABASE IF NOT EXISTS osticket CHARACTER SET utf8;
CREATE USER IF NOT EXISTS 'www-data'@'localhost' IDENTIFIED VIA unix_socket;
GRANT ALL ON osticket.* TO 'www-data'@'localhost';
