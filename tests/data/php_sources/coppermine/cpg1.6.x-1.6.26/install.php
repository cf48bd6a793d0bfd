<?php
// A stand-in for the installer's pages from the eighth on, and for the functions by which it goes on.
$error = '';
include 'include/config.tmp.php';
$config = $install_config;
if ($config['step'] === 8) {
    $connection = mysqli_connect($config['db_host'], $config['db_user'], $config['db_password'], $config['db_name']);
    foreach (explode(';', trim(file_get_contents('sql/schema.sql'), "; \n")) as $statement) {
        cpg_db_query(str_replace('CPG_', $config['db_prefix'], $statement));
    }
    cpg_db_query("INSERT INTO {$config['db_prefix']}config VALUES ('ecards_more_pic_target', 'http://unknown/')");
    echo '<html>a page of the wizard</html>';
}

function cpg_db_query(string $statement)
{
    return $GLOBALS['connection']->query($statement);
}

function setTmpConfig(string $name, string $value): void
{
    $GLOBALS['config'][$name] = $value;
    file_put_contents('include/config.tmp.php', '<?php $install_config = ' . var_export($GLOBALS['config'], true) . ';');
}

function createAdmin(): void
{
    $config = $GLOBALS['config'];
    $hash = password_hash($config['admin_password'], PASSWORD_DEFAULT);
    $GLOBALS['connection']->execute_query(
        "INSERT INTO {$config['db_prefix']}users VALUES (?, ?, ?)",
        [$config['admin_username'], $hash, $config['admin_email']]
    );
}

function writeConfig(): void
{
    $config = $GLOBALS['config'];
    file_put_contents('include/config.inc.php', '<?php $CONFIG = ' . var_export([
        'dbserver' => $config['db_host'], 'dbuser' => $config['db_user'], 'dbpass' => $config['db_password'],
        'dbname' => $config['db_name'], 'TABLE_PREFIX' => $config['db_prefix'],
    ], true) . ';');
}
