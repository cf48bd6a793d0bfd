<?php
// A stand-in: what the installer's pages begin with, with the address that the wizard was opened by.
require __DIR__ . '/../bootstrap.php';
define('INC_DIR', __DIR__ . '/inc/');
define('URL', 'http://' . $_SERVER['HTTP_HOST'] . '/');
