BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Stop-WalDaemon' {
    BeforeEach {
        $folder = [IO.Directory]::CreateTempSubdirectory('walrus-d-').FullName
        $socket = Join-Path $folder 's'
        $daemon = Start-WalDaemon $socket -ExecutablePath $Executable -Setting (New-FolderArchive)
    }

    AfterEach {
        Stop-WalDaemon $socket -ErrorAction Ignore
        Remove-Item $folder -Recurse -Force
    }

    It 'returns when the daemon has ended, and emits nothing' {
        $daemon | Stop-WalDaemon | Should -BeNullOrEmpty
        Test-Path $socket | Should -BeFalse
        Wait-Process -Id $daemon.ProcessId -Timeout 10 -ErrorAction Ignore
        Get-Process -Id $daemon.ProcessId -ErrorAction Ignore | Where-Object { -not $_.HasExited } | Should -BeNullOrEmpty
        (Get-Content "$socket.log")[-1] | Should -Match 'Daemon ended'
    }

    It 'stops nothing with -WhatIf' {
        $daemon | Stop-WalDaemon -WhatIf
        (Get-WalDaemon $socket).ProcessId | Should -Be $daemon.ProcessId
    }

    It 'has an error where no daemon answers' {
        { Stop-WalDaemon (Join-Path $folder 'none') -ErrorAction Stop } | Should -Throw -ErrorId 'DaemonUnreachable,*'
    }
}
