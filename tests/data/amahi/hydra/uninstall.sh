#!/bin/bash
docker stop APP_IDENTIFIER
docker rm APP_IDENTIFIER
