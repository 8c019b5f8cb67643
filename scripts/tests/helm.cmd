@python "%~dp0helm" %*
