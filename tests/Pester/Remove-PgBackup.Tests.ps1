BeforeAll {
    . $PSScriptRoot/Common.ps1
    . $PSScriptRoot/Chain.ps1
}

Describe 'Remove-PgBackup' {
    BeforeEach {
        $archive = New-FolderArchive
        $full, $delta, $later = Add-Chain $archive
    }

    It 'deletes a backup whole, the sentinel first, and emits each object' {
        $gone = @(Remove-PgBackup $later -Setting $archive -Confirm:$false)
        $gone[0].GetType().FullName | Should -BeExactly 'WalRus.Cmdlets.PgArchiveObject'
        $gone.Kind | Should -Be Sentinel, BackupMetadata
        $gone.State | Select-Object -Unique | Should -Be Deleted
        $gone.Backup | Select-Object -Unique | Should -Be $later
        $gone[0].Size | Should -BeGreaterThan 100
        (Get-BackupList -Setting $archive).Name | Should -Be $full, $delta
        Get-FileList $archive.WALG_FILE_PREFIX | Where-Object { $_ -like "*$later*" } | Should -BeNullOrEmpty
    }

    It 'takes backups from the pipeline in any order, deltas and what they are based on together' {
        Get-BackupList -Setting $archive | Remove-PgBackup -Setting $archive -Confirm:$false | Measure-Object | ForEach-Object Count | Should -Be 6
        Get-BackupList -Setting $archive | Should -BeNullOrEmpty
    }

    It 'emits the plan with -WhatIf and changes nothing' {
        $before = Get-FileList $archive.WALG_FILE_PREFIX
        $plan = @(Get-BackupList -Setting $archive | Where-Object Age -GT '00:00:01' | Remove-PgBackup -Setting $archive -WhatIf)
        $plan.Count | Should -Be 6
        $plan.State | Select-Object -Unique | Should -Be Planned
        $plan[0].Key | Should -BeLike "*$delta*"
        Get-FileList $archive.WALG_FILE_PREFIX | Should -Be $before
    }

    It 'refuses what others are based on, unless told' {
        { Remove-PgBackup $full -Setting $archive -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'BackupNeeded,*'
        (Get-BackupList -Setting $archive).Count | Should -Be 3
        $null = Remove-PgBackup $full -IncludeDelta -Setting $archive -Confirm:$false
        (Get-BackupList -Setting $archive).Name | Should -Be $later
    }

    It 'refuses permanent backups' {
        $null = Protect-PgBackup $later -Setting $archive
        { Remove-PgBackup $later -Setting $archive -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'BackupPermanent,*'
    }

    It 'deletes nothing when one name is wrong' {
        Remove-PgBackup $later, 'base_0000000100000000000000FF' -Setting $archive -Confirm:$false -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'BackupNotFound,*'
        $failed[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        (Get-BackupList -Setting $archive).Count | Should -Be 3
    }

    It 'asks unless it is told not to' {
        $ran = Invoke-Pwsh '-Command', "Import-Module '$ModulePath'; Remove-PgBackup $later" -Environment $archive
        $ran.ExitCode | Should -Not -Be 0
        (Get-BackupList -Setting $archive).Count | Should -Be 3
    }

    It 'prints as a table' {
        Remove-PgBackup $later -Setting $archive -Confirm:$false | Out-String -Width 160 |
            Should -Match "State\s+Size\s+Rule\s+Key[\s\S]+Deleted\s+\S+ \S+\s+Selected\s+basebackups_005/${later}_backup_stop_sentinel.json"
    }
}
