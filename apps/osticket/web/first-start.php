<?php
// Has osTicket's own installer make tables, configuration and the first agent, "home", with a password of its own.
// The file "unfinished" says that what the database holds is of a first start which did not come to its end.
umask(0077);
$folder = '/srv/osticket';
$end = function (string $why): never {
    fwrite(STDERR, "osTicket could not be configured: $why\n");
    exit(1);
};

mysqli_report(MYSQLI_REPORT_OFF);
for ($left = 120; !($database = @mysqli_connect('localhost', 'www-data', '')); $left--) {
    $left > 0 or $end('the database does not answer, ' . mysqli_connect_error());
    sleep(1);
}
if (file_exists("$folder/unfinished")) {
    $database->query('DROP DATABASE IF EXISTS osticket')
        and $database->query('CREATE DATABASE osticket CHARACTER SET utf8')
        or $end($database->error);
} elseif (!($tables = $database->query('SHOW TABLES FROM osticket')) || $tables->num_rows > 0) {
    $end('the database is one of an earlier osTicket, whose data/ost-config.php is missing. Put it back.');
}
touch("$folder/unfinished");

$_SERVER['HTTP_HOST'] = getenv('SITE');
$_SERVER['PHP_SELF'] = $_SERVER['REQUEST_URI'] = '/setup/install.php';
require '/opt/osticket/setup/setup.inc.php';
require INC_DIR . 'class.installer.php';
$password = bin2hex(random_bytes(8));
$config = "$folder/ost-config.new";
copy(INCLUDE_DIR . 'ost-sampleconfig.php', $config);
$installer = new Installer($config);
$done = $installer->install([
    'name' => 'Help desk', 'email' => 'support@home.example', 'lang_id' => 'en_US', 'timezone' => 'UTC',
    'fname' => 'Home', 'lname' => 'Owner', 'admin_email' => 'home@home.example',
    'username' => 'home', 'passwd' => $password, 'passwd2' => $password,
    // The database asks for no password, but osTicket wants to have one.
    'prefix' => 'ost_', 'dbhost' => 'localhost', 'dbname' => 'osticket', 'dbuser' => 'www-data', 'dbpass' => 'none',
]);
$done or $end(implode(' ', $installer->getErrors()));
file_put_contents("$folder/password", "$password\n");
chmod($config, 0400);
rename($config, "$folder/ost-config.php");
