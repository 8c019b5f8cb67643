@python "%~dp0helm" %*
