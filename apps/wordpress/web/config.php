<?php
// The database server knows this user by the socket's other end; there is no password.
define('DB_NAME', 'wordpress');
define('DB_USER', 'www-data');
define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:/run/mysqld/mysqld.sock');
define('DB_CHARSET', 'utf8mb4');
define('WP_CONTENT_DIR', '/var/lib/wordpress/wp-content');
define('FS_METHOD', 'direct');
require '/var/lib/wordpress/keys/keys.php';
// The site is opened by port and by host name: it takes the address that it was asked by.
if (preg_match('/^[A-Za-z0-9.:\[\]-]+$/', $_SERVER['HTTP_HOST'] ?? '')) {
    $secure = ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https';
    define('WP_HOME', ($secure ? 'https://' : 'http://') . $_SERVER['HTTP_HOST']);
    define('WP_SITEURL', WP_HOME);
}
